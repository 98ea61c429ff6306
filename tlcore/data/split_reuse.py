"""Dividing a dataset as an earlier bundle did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tlcore.dataset import SPLIT_NAMES, Dataset, Sample
from tlcore.errors import DatasetError


def check_same_data(dataset: Dataset, earlier: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Raise `DatasetError` unless the dataset has a training image of the bundle's, by name."""
    learnt = {name for name, _ in earlier.get("train", ())}
    if not any(sample.name in learnt for sample in dataset.samples):
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
    added = [sample for sample in samples if sample.name not in split_of]
    missing = len(split_of.keys() - {sample.name for sample in samples})
    placed = split_of | _place(added, samples, split_of, together)
    splits: dict[str, list[Sample]] = {split: [] for split in SPLIT_NAMES}
    for sample in samples:
        splits[placed[sample.name]].append(sample)
    notes = []
    if added:
        notes.append(f"{len(added):,} images are not in the bundle's split; they went to train, or beside their copies")
    if missing:
        notes.append(f"{missing:,} images of the bundle's split are no longer there")
    return replace(dataset, splits={split: tuple(part) for split, part in splits.items()}), tuple(notes)


def _place(
    added: Sequence[Sample], samples: Sequence[Sample], split_of: Mapping[str, str], together: Iterable[Sequence[str]]
) -> dict[str, str]:
    """Give each new image the split of a picture or group it belongs to, else train."""
    of_group: dict[str | None, str] = {
        sample.group: split_of[sample.name] for sample in samples if sample.group and sample.name in split_of
    }
    of_picture: dict[str, str] = {}
    for names in together:
        known = [split_of[name] for name in names if name in split_of]
        of_picture |= dict.fromkeys(names, known[0]) if known else {}
    return {sample.name: of_picture.get(sample.name) or of_group.get(sample.group) or "train" for sample in added}
