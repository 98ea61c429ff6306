"""Exclusion lists: which images to leave out, one line each, as an audit suggests and a person edits.

A line is an image's name, then, after a tab, the reason; lines that begin with ``#`` and empty ones say nothing. A name that
begins with ``#`` or ``"``, or holds a tab or a line break, is written as a JSON string.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tlcore.dataset import Dataset, LeftOut
from tlcore.errors import DatasetError, did_you_mean
from tlcore.machine.atomic import write_file
from tlcore.packed_samples import names_of, select_samples


def write_exclusions(path: Path, exclusions: Mapping[str, str], *, dataset: str) -> None:
    """Write image name to reason as an exclusion list; an existing file is replaced only if it is such a list.

    Raises:
        DatasetError: there is another file, or it cannot be written.
    """
    title = "# Images to leave out of "
    try:
        if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(title):
            raise DatasetError(f"{path}: is no exclusion list that tlcore wrote; choose another name")
        lines = [f"{_quoted(name)}\t{' '.join(reason.split())}" for name, reason in exclusions.items()]
        text = "\n".join(
            [f"{title}{' '.join(dataset.split())}: name, tab, reason. Delete a line to keep its image.", *lines]
        )
        write_file(path, f"{text}\n".encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise DatasetError(f"{path}: the exclusion list cannot be written: {error.strerror or error}") from error


def read_exclusions(path: Path) -> dict[str, str]:
    """Read an exclusion list: image name to reason, which may be empty.

    Raises:
        DatasetError: the file is missing, or a line is malformed.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise DatasetError(f"{path}: the exclusion list cannot be read: {error.strerror or error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition("\t")
        if name.startswith('"'):
            try:
                name = str(json.loads(name))
            except ValueError as error:
                raise DatasetError(f"{path}: line {number} begins like a JSON string and is none: {error}") from error
        found[name] = reason.strip()
    return found


def exclude_images(dataset: Dataset, path: Path) -> tuple[Dataset, tuple[str, ...]]:
    """Return the dataset without the images an exclusion list names, and notes on names it does not have.

    What is left out is said in `Dataset.left_out`.

    Raises:
        DatasetError: the list cannot be read, names no image of the dataset, or all of them.
    """
    exclusions = read_exclusions(path)
    samples = dataset.samples
    known = {name for name in names_of(samples) if name in exclusions}
    unknown = [name for name in exclusions if name not in known]
    if exclusions and not known:
        hint = did_you_mean(unknown[0], set(names_of(samples))) or "; it may be the list of another dataset"
        raise DatasetError(f"{path}: names no image of {dataset.name}; the first is {unknown[0]!r}{hint}")
    if len(known) == len(samples):
        raise DatasetError(f"{path}: names every image of {dataset.name}; nothing would be left")
    notes = []
    if unknown:
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        notes.append(f"{path.name} names {len(unknown)} images that {dataset.name} does not have: "
                     f"{', '.join(unknown[:10])}{more}")  # fmt: skip
    left_out = [
        LeftOut(name, f"{name}: excluded by {path.name}{f' ({reason})' if reason else ''}")
        for name, reason in exclusions.items()
        if name in known
    ]
    splits = {
        split: select_samples(part, [place for place, name in enumerate(names_of(part)) if name not in known])
        for split, part in dataset.splits.items()
    }
    return replace(dataset, splits=splits, left_out=(*dataset.left_out, *left_out)), tuple(notes)


def _quoted(name: str) -> str:
    if name.startswith(("#", '"')) or any(character in name for character in "\t\n\r") or name != name.strip():
        return json.dumps(name)
    return name
