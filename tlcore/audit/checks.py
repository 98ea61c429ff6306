"""The checks of an audit: each looks at an `AuditSubject` and returns one finding, or None."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int64

from tlcore.audit.findings import MAX_NOTICES, Entry, Finding, Severity
from tlcore.audit.subject import MIN_SIDE, AuditSubject
from tlcore.audit.table import InspectionTable
from tlcore.packed_samples import groups_of, names_of

BLANK_SPREAD = 2.0
"""Images whose grey levels deviate by less than this, of 255, are called blank."""

MAX_MEGAPIXELS = 50
MAX_ASPECT = 5.0
IMBALANCE = 10
FEW_IMAGES = 10

_FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), ("JPEG", "MPO")),
    **dict.fromkeys((".png", ".apng"), ("PNG",)),
    **dict.fromkeys((".tif", ".tiff"), ("TIFF",)),
    **dict.fromkeys((".pbm", ".pgm", ".pnm", ".ppm"), ("PPM",)),
    **dict.fromkeys((".jp2", ".j2k"), ("JPEG2000",)),
    **dict.fromkeys((".heic", ".heif"), ("HEIF",)),
    ".avif": ("AVIF",),
    ".bmp": ("BMP", "DIB"),
    ".gif": ("GIF",),
    ".tga": ("TGA",),
    ".webp": ("WEBP",),
}
"""Lower-case file name ending to what Pillow may call the content."""


def blank(table: InspectionTable) -> Int64[np.ndarray, " blank"]:
    """Return the indices of images that can be decoded and are blank, by their spread."""
    return np.flatnonzero(table.sound.whole() & (table.spread.whole() < BLANK_SPREAD))


def unreadable(subject: AuditSubject) -> Finding | None:
    """Images that training cannot decode."""
    entries = [Entry((subject.samples[index].name,), reason) for index, reason in sorted(subject.table.problems.items())]
    return _finding(
        "unreadable",
        "problem",
        f"{_number(len(entries), 'image')} cannot be read",
        "training leaves them out; replace them, or exclude them",
        entries,
    )


def label_conflicts(subject: AuditSubject) -> Finding | None:
    """The same picture under several classes."""
    entries = [
        Entry(subject.names(members), conflict) for members in subject.sets if (conflict := subject.conflict(members))
    ]
    return _finding(
        "label-conflict",
        "problem",
        f"{_number(len(entries), 'picture')} labelled as more than one class",
        "keep each picture under its true class only",
        entries,
    )


def leaks(subject: AuditSubject) -> Finding | None:
    """The same picture in several splits."""
    entries = []
    for members in subject.sets:
        splits = subject.split_names(members)
        if len(splits) > 1:
            entries.append(Entry(subject.names(members), f"one picture in {' and '.join(splits)}"))
    return _finding(
        "leak",
        "problem",
        f"{_number(len(entries), 'picture')} in more than one split: measured accuracy is flattered",
        "exclude the copies outside the test split",
        entries,
    )


def group_leaks(subject: AuditSubject) -> Finding | None:
    """A group in several splits."""
    members_of: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups_of(subject.samples)):
        if group is not None:
            members_of[group].append(index)
    entries = [
        Entry(subject.names(members[:10]), f"group {group!r} is in {' and '.join(subject.split_names(members))}")
        for group, members in members_of.items()
        if len(subject.split_names(members)) > 1
    ]
    return _finding(
        "group-leak",
        "problem",
        f"{_number(len(entries), 'group')} in more than one split: measured accuracy is flattered",
        "let the whole group be in one split, or leave the split column out and let tlcore divide",
        entries,
    )


def exact_duplicates(subject: AuditSubject) -> Finding | None:
    """Files with the same bytes."""
    entries = [Entry(subject.names(members), f"{len(members):,} files with the same bytes") for members in subject.equal]
    extra = sum(len(members) - 1 for members in subject.equal)
    return _finding(
        "exact-duplicates",
        "notice",
        f"{extra:,} exact {'copy' if extra == 1 else 'copies'} of {_number(len(entries), 'image')}",
        "a split made by tlcore keeps copies together; exclude them to count each picture once",
        entries,
    )


def near_duplicates(subject: AuditSubject) -> Finding | None:
    """Pictures that look alike and are stored otherwise."""
    entries = [Entry(subject.names(members), f"{len(members):,} images look alike") for members in subject.near]
    return _finding(
        "near-duplicates",
        "notice",
        f"{_number(len(entries), 'set')} of images that look alike (resized, re-encoded or slightly edited copies)",
        "a split made by tlcore keeps them together",
        entries,
    )


def wrong_extensions(subject: AuditSubject) -> Finding | None:
    """Files whose name says another format than their bytes."""
    count, entries = 0, []
    for name, number in zip(names_of(subject.samples), subject.table.format.whole(), strict=True):
        suffix = os.path.splitext(name)[1].lower()
        found = subject.table.formats[number]
        if found and suffix in _FORMATS and found not in _FORMATS[suffix]:
            count += 1
            if count <= MAX_NOTICES:
                entries.append(Entry((name,), f"is {found} by its content"))
    return _finding(
        "wrong-extension",
        "notice",
        f"{_number(count, 'file')} named otherwise than their content",
        "tlcore goes by content; other programs may stumble",
        entries,
        count=count,
    )


def blank_images(subject: AuditSubject) -> Finding | None:
    """Pictures of one shade."""
    found = blank(subject.table)
    first = found[:MAX_NOTICES]
    entries = [
        Entry((subject.samples[index].name,), f"grey levels deviate by {spread:.1f} of 255")
        for index, spread in zip(first.tolist(), subject.table.spread[first], strict=True)
    ]
    return _finding(
        "blank",
        "notice",
        f"{_number(len(found), 'image')} blank or nearly so",
        "exclude them unless blank is a class",
        entries,
        count=len(found),
    )


def extreme_sizes(subject: AuditSubject) -> Finding | None:
    """Pictures of unusual size or shape."""
    count, entries = 0, []
    for start, sizes in subject.table.sizes.blocks():
        short, long = sizes.min(axis=1).astype(np.int64), sizes.max(axis=1).astype(np.int64)
        odd = (short < MIN_SIDE) | (short * long > MAX_MEGAPIXELS * 1_000_000) | (long > MAX_ASPECT * short)
        for place in np.flatnonzero(odd).tolist():
            if start + place in subject.table.problems:
                continue
            count += 1
            if count <= MAX_NOTICES:
                width, height = sizes[place].tolist()
                entries.append(Entry((subject.samples[start + place].name,), f"{width} x {height} pixels"))
    return _finding(
        "extreme-size",
        "notice",
        f"{_number(count, 'image')} very small (a side under {MIN_SIDE} pixels), very large (over {MAX_MEGAPIXELS} "
        f"megapixels) or very long (over {MAX_ASPECT:g} to 1)",
        "networks see them enlarged, shrunk or cropped to a square",
        entries,
        count=count,
    )


def imbalance(subject: AuditSubject) -> Finding | None:
    """Classes of very unequal size."""
    counts = _learned_from(subject)
    (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
    ratio = most / least
    entries = [] if ratio < IMBALANCE else [Entry((), f"{largest}: {most} images, {smallest}: {least}")]
    return _finding(
        "imbalance",
        "notice",
        f"the largest class has {ratio:.0f} times as many images as the smallest",
        "judge by balanced accuracy; '--set head.class_weight=balanced' weighs classes alike",
        entries,
    )


def few_images(subject: AuditSubject) -> Finding | None:
    """Classes with hardly any image."""
    counts = _learned_from(subject)
    entries = [Entry((), f"{name}: {count} image{'' if count == 1 else 's'}") for name, count in counts.items()
               if count < FEW_IMAGES]  # fmt: skip
    return _finding(
        "few-images",
        "notice",
        f"{len(entries)} {'class has' if len(entries) == 1 else 'classes have'} fewer than {FEW_IMAGES} images",
        "a class of one image is only learned from, one of two is not used to choose settings; add photos",
        entries[:MAX_NOTICES],
        count=len(entries),
    )


def left_out(subject: AuditSubject) -> Finding | None:
    """What the dataset's reader could not use."""
    entries = [Entry((entry.name,), entry.reason.removeprefix(f"{entry.name}: ")) for entry in subject.dataset.left_out]
    return _finding(
        "left-out",
        "notice",
        f"{_number(len(entries), 'file or folder', 'files or folders')} beside the dataset's images cannot be used",
        "see each one's reason",
        entries,
    )


ALL: tuple[Callable[[AuditSubject], Finding | None], ...] = (
    unreadable,
    leaks,
    group_leaks,
    label_conflicts,
    exact_duplicates,
    near_duplicates,
    wrong_extensions,
    blank_images,
    extreme_sizes,
    imbalance,
    few_images,
    left_out,
)


def _learned_from(subject: AuditSubject) -> Counter[str]:
    """Count images by class in the training split, or in all where there is none."""
    counts = subject.dataset.counts
    total: Counter[str] = Counter()
    for split in ("train",) if "train" in counts else counts:
        total.update(counts[split])
    return total


def _number(count: int, singular: str, plural: str = "") -> str:
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"


def _finding(
    kind: str, severity: Severity, summary: str, advice: str, entries: Sequence[Entry], count: int | None = None
) -> Finding | None:
    """Return a finding of some entries, or None without any; `count` says how many there are where not all are given."""
    if not entries:
        return None
    total = len(entries) if count is None else count
    return Finding(kind=kind, severity=severity, summary=summary, advice=advice, count=total, entries=tuple(entries))
