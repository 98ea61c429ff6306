"""A folder of photos as a dataset."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from tlcore.dataset import ALL, Dataset, LeftOut
from tlcore.errors import DatasetError
from tlcore.images import IMAGE_SUFFIXES
from tlcore.packed_samples import FolderImages, SampleStore
from tlcore.packed_strings import sorted_strings
from tlcore_datasets import FolderOptions
from tlcore_datasets.layout import SPLIT_FOLDERS


def read_folder(argument: str | None, options: FolderOptions) -> Dataset:
    """Read a folder of class folders, or of split folders (train, val or validation, test) with class folders in each.

    Class folders may hold folders themselves; files whose names do not end like an image's are not looked at; hidden ones
    neither. Links are followed, each folder once.

    Raises:
        DatasetError: the folder is missing, cannot be read, holds no class folder or no image, or its test split has a
            class that its train split lacks.
    """
    if not argument:
        raise DatasetError("folder needs a path, for instance 'folder:photos'")
    root = Path(argument).expanduser()
    if not os.path.lexists(root):
        raise DatasetError(f"{root}: there is no such folder")
    if not root.is_dir():
        raise DatasetError(f"{root}: is a file, expected a folder with one folder of images per class")
    left_out: list[LeftOut] = []
    parts = _parts(root, left_out)
    class_names = _class_names(parts)
    store = SampleStore(FolderImages(str(root)))
    ends = {split: _fill(store, root, part, class_names, options.per_class, left_out) for split, part in parts.items()}
    if not len(store.labels):
        unread = f"; {len(left_out)} could not be read" if left_out else ""
        raise DatasetError(
            f"{root}: no images found in its class folders ({', '.join(class_names[:5])}){unread}; "
            f"names must end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    present = sorted(set(store.labels))
    left_out += [
        LeftOut(f"{name}/", f"{name}/: holds no images, so it is no class")
        for label, name in enumerate(class_names)
        if label not in present
    ]
    store.renumber({label: index for index, label in enumerate(present)})
    starts = (0, *ends.values())
    return Dataset(
        name=str(argument),
        class_names=tuple(class_names[label] for label in present),
        splits={split: store.samples(start, end) for (split, end), start in zip(ends.items(), starts, strict=False)},
        left_out=tuple(left_out),
    )


def _parts(root: Path, left_out: list[LeftOut]) -> dict[str, Path]:
    """Return split to folder: train and its like where `root` holds a train folder with class folders, else all of it."""
    folders = _folders(root)
    parts: dict[str, Path] = {}
    for name in folders:
        split = SPLIT_FOLDERS.get(name.lower())
        if split in parts:
            raise DatasetError(f"{root}: both {parts[split].name!r} and {name!r} would be the {split} split; keep one")
        if split is not None:
            parts[split] = root / name
    if "train" not in parts or not _folders(parts["train"]):
        return {ALL: root}
    others = [name for name in folders if root / name not in parts.values()]
    left_out += [LeftOut(f"{name}/", f"{name}/: is beside the split folders and belongs to none of them") for name in others]
    return parts


def _class_names(parts: dict[str, Path]) -> list[str]:
    train = "train" if "train" in parts else ALL
    class_names = _folders(parts[train])
    if not class_names:
        raise DatasetError(f"{parts[train]}: holds no class folders; put each class's images in a folder named after it")
    for split, part in parts.items():
        unknown = [name for name in _folders(part) if name not in class_names]
        if unknown:
            raise DatasetError(f"{part / unknown[0]}: class {unknown[0]!r} of {split} has no folder in {parts[train]}")
    return class_names


def _folders(parent: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(parent) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"{parent}: cannot be read: {error.strerror or error}") from error


def _fill(
    store: SampleStore, root: Path, part: Path, class_names: list[str], per_class: int | None, left_out: list[LeftOut]
) -> int:
    """Add the images of a split; returns how many there are now."""
    for label, class_name in enumerate(class_names):
        for name in islice(_image_files(part / class_name, left_out, root), per_class):
            store.add(name, label)
    return len(store.labels)


def _image_files(folder: Path, left_out: list[LeftOut], root: Path) -> Iterator[str]:
    """Walk a class folder in order of name, following links but entering no folder twice; paths below `root`.

    A link back to what holds the class folders is not followed either: it would bring the other classes' images.
    """
    entered = {os.path.realpath(root), os.path.realpath(folder.parent)}
    waiting = [folder.relative_to(root).as_posix()]
    while waiting:
        below = waiting.pop()
        real = os.path.realpath(root / below)
        if real in entered:
            continue
        entered.add(real)
        subfolders: list[str] = []
        try:
            with os.scandir(root / below) as entries:
                names = sorted_strings(_image_names(entries, subfolders))
        except FileNotFoundError:
            continue
        except OSError as error:
            left_out.append(LeftOut(below, f"{below}: cannot be read: {error.strerror or error}"))
            continue
        yield from (f"{below}/{name}" for name in names)
        waiting += [f"{below}/{name}" for name in sorted(subfolders, reverse=True)]


def _image_names(entries: Iterable[os.DirEntry[str]], subfolders: list[str]) -> Iterator[str]:
    """Yield the names of image files, and put those of folders into `subfolders`."""
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            is_folder = entry.is_dir()
        except OSError:  # a link that leads nowhere; reading it will say why
            is_folder = False
        if is_folder:
            subfolders.append(entry.name)
        elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
            yield entry.name
