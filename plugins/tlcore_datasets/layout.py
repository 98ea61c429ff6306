"""From names with folders in them to a dataset: class folders, or split folders with class folders in each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from tlcore.dataset import ALL, Dataset, LeftOut
from tlcore.errors import DatasetError
from tlcore.packed_samples import ChosenImages, ImageSources, SampleStore, select_samples
from tlcore.packed_strings import order_of

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def dataset_from_names(name: str, names: Sequence[str], images: ImageSources, *, per_class: int | None) -> Dataset:
    """Arrange images by the folders in their names (forward slashes); one folder around everything is looked through.

    Args:
        name: the dataset's.
        names: the images'; of those with one name the last counts.
        images: where they are, by their places in `names`.
        per_class: at most so many of each class and split, the first by name; None for all.

    Raises:
        DatasetError: no class folders, or a class that train lacks.
    """
    if not len(names):
        raise DatasetError(f"{name}: holds no images")
    prefix = _common_folder(names)
    arrangement = _Arrangement(names, len(prefix), _split_folders(name, names, len(prefix)), order_of(names))
    class_names = _class_names(name, arrangement)
    label_of = {class_name: label for label, class_name in enumerate(class_names)}
    chosen = ChosenImages(images)
    store = SampleStore(chosen)
    places: dict[str, array[int]] = {}
    taken: dict[tuple[str, str], int] = {}
    for image in arrangement.images():
        own = places.setdefault(image.split, array("i"))
        count = taken.get((image.split, image.class_name), 0)
        if per_class is None or count < per_class:
            taken[image.split, image.class_name] = count + 1
            own.append(len(chosen.places))
            chosen.places.append(image.place)
            store.add(image.name, label_of[image.class_name])
    every = store.samples()
    return Dataset(
        name=name,
        class_names=class_names,
        splits={split: select_samples(every, own) for split, own in places.items()},
        left_out=tuple(arrangement.left_out()),
    )


@dataclass(frozen=True, slots=True)
class _Image:
    """An image that is in a class folder.

    Attributes:
        place: in the list of all names.
        name: without the folders around everything.
        split, class_name: by the folders it is in.
    """

    place: int
    name: str
    split: str
    class_name: str


@dataclass(frozen=True)
class _Arrangement:
    """Images by the folders they are in, in order of name.

    Attributes:
        names: of all images.
        start: where each name begins, behind the folders around everything.
        split_of: split folder to split; empty where there are none.
        order: the places of the names in their order.
    """

    names: Sequence[str]
    start: int
    split_of: dict[str, str]
    order: Sequence[int]

    def images(self) -> Iterator[_Image]:
        """Yield the images that are in class folders."""
        return (found for found in self._all() if isinstance(found, _Image))

    def left_out(self) -> Iterator[LeftOut]:
        """Yield the others, and why."""
        return (found for found in self._all() if isinstance(found, LeftOut))

    def _all(self) -> Iterator[_Image | LeftOut]:
        depth = 1 if self.split_of else 0
        for place, following in zip_longest(self.order, self.order[1:]):
            if following is not None and self.names[place] == self.names[following]:
                continue  # of members with one name the last counts
            image = self.names[place][self.start :]
            parts = image.split("/", depth + 1)
            split = self.split_of.get(parts[0]) if self.split_of else ALL
            if split is None:
                yield LeftOut(image, f"{image}: is beside the split folders and belongs to none of them")
            elif len(parts) <= depth + 1:
                yield LeftOut(image, f"{image}: is in no class folder")
            else:
                yield _Image(place, image, split, parts[depth])


def _class_names(name: str, arrangement: _Arrangement) -> tuple[str, ...]:
    found = dict.fromkeys((image.split, image.class_name) for image in arrangement.images())
    if not found:
        raise DatasetError(f"{name}: no images in class folders; put each class's images in a folder named after it")
    learned = {class_name for split, class_name in found if split in ("train", ALL)}
    for split, class_name in found:
        if class_name not in learned:
            raise DatasetError(f"{name}: class {class_name!r} of {split} has no images in train")
    return tuple(sorted(learned))


def _split_folders(name: str, names: Sequence[str], start: int) -> dict[str, str]:
    """Return split folder to split where there is a train folder with class folders in it, else nothing."""
    tops = {image[start:].partition("/")[0] for image in names if "/" in image[start:]}
    split_of = {top: SPLIT_FOLDERS[top.lower()] for top in tops if top.lower() in SPLIT_FOLDERS}
    if not any(image.count("/", start) > 1 and split_of.get(image[start:].partition("/")[0]) == "train" for image in names):
        return {}
    if len(set(split_of.values())) < len(split_of):
        raise DatasetError(f"{name}: the folders {', '.join(sorted(split_of))} name one split twice; keep one of them")
    return split_of


def _common_folder(names: Sequence[str]) -> str:
    """Return the folders around everything, with a slash at the end, as long as class folders are left below them."""
    prefix = ""
    while True:
        start = len(prefix)
        tops = {image[start:].partition("/")[0] for image in names}
        if len(tops) != 1 or any(image.count("/", start) < 2 for image in names):
            return prefix
        prefix += f"{tops.pop()}/"
