"""Dividing a dataset as an earlier bundle did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tlcore.dataset import SPLIT_NAMES, Dataset, Sample
from tlcore.errors import DatasetError
from tlcore.packed_samples import groups_of, names_of, select_samples


def check_same_data(dataset: Dataset, earlier: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Raise `DatasetError` unless the dataset has a training image of the bundle's, by name."""
    learnt = {name for name, _ in earlier.get("train", ())}
    if not any(name in learnt for name in names_of(dataset.samples)):
        raise DatasetError(
            f"{dataset.name}: has none of the {len(learnt):,} training images of the bundle to split from; "
            "give the dataset that the bundle was trained on"
        )


def split_like(
    dataset: Dataset, earlier: Mapping[str, Sequence[tuple[str, str]]], *, together: Iterable[Sequence[str]] = ()
) -> tuple[Dataset, tuple[str, ...]]:
    """Return the dataset divided as `Bundle.split` says, and notes on what differs.

    Images are found by name; `check_same_data` says whether any is. One that the bundle does not know goes where its copies
    or its group are, else to train, and is counted in the notes; so are images the bundle knows and the dataset lacks.

    Args:
        dataset: what to divide; its own splits, if any, are not used.
        earlier: split name to (image name, SHA-256) pairs.
        together: sets of sample names that show the same picture.
    """
    split_of = {name: split for split in SPLIT_NAMES for name, _ in earlier.get(split, ())}
    samples = dataset.samples
    added = {name: group for name, group in zip(names_of(samples), groups_of(samples), strict=True) if name not in split_of}
    missing = len(split_of) - (len(samples) - len(added))
    placed = split_of | _place(added, samples, split_of, together)
    places: dict[str, list[int]] = {split: [] for split in SPLIT_NAMES}
    for place, name in enumerate(names_of(samples)):
        places[placed[name]].append(place)
    notes = []
    if added:
        notes.append(f"{len(added):,} images are not in the bundle's split; they went to train, or beside their copies")
    if missing:
        notes.append(f"{missing:,} images of the bundle's split are no longer there")
    return replace(dataset, splits={split: select_samples(samples, own) for split, own in places.items()}), tuple(notes)


def _place(
    added: Mapping[str, str | None],
    samples: Sequence[Sample],
    split_of: Mapping[str, str],
    together: Iterable[Sequence[str]],
) -> dict[str, str]:
    """Give each new image, of which the group is known, the split of a picture or group it belongs to, else train."""
    of_group: dict[str | None, str] = {
        group: split_of[name]
        for name, group in zip(names_of(samples), groups_of(samples), strict=True)
        if group and name in split_of
    }
    of_picture: dict[str, str] = {}
    for names in together:
        known = [split_of[name] for name in names if name in split_of]
        of_picture |= dict.fromkeys(names, known[0]) if known else {}
    return {name: of_picture.get(name) or of_group.get(group) or "train" for name, group in added.items()}
