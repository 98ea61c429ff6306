"""From names with folders in them to a dataset: class folders, or split folders with class folders in each."""

from __future__ import annotations

from collections.abc import Mapping

from tlcore.dataset import ALL, Dataset, LeftOut, Sample
from tlcore.errors import DatasetError
from tlcore.images import ImageSource

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def dataset_from_names(name: str, images: Mapping[str, ImageSource], *, per_class: int | None) -> Dataset:
    """Arrange images by the folders in their names (forward slashes); one folder around everything is looked through.

    Args:
        name: the dataset's.
        images: image name to source.
        per_class: at most so many of each class and split, the first by name; None for all.

    Raises:
        DatasetError: no class folders, or a class that train lacks.
    """
    if not images:
        raise DatasetError(f"{name}: holds no images")
    stripped = {_after(image, _common_folder(images)): source for image, source in images.items()}
    tops = {image.partition("/")[0] for image in stripped if "/" in image}
    split_of = {top: SPLIT_FOLDERS[top.lower()] for top in tops if top.lower() in SPLIT_FOLDERS}
    if "train" not in split_of.values() or not any(
        image.count("/") > 1 for image in stripped if split_of.get(image.partition("/")[0]) == "train"
    ):
        split_of = {}
    elif len(set(split_of.values())) < len(split_of):
        raise DatasetError(f"{name}: the folders {', '.join(sorted(split_of))} name one split twice; keep one of them")
    rows: list[tuple[str, str, str]] = []
    left_out: list[LeftOut] = []
    for image in sorted(stripped):
        parts = image.split("/")
        split = split_of.get(parts[0]) if split_of else ALL
        depth = 1 if split_of else 0
        if split is None or len(parts) <= depth + 1:
            why = "is in no class folder" if split is not None else "is beside the split folders and belongs to none of them"
            left_out.append(LeftOut(image, f"{image}: {why}"))
            continue
        rows.append((split, parts[depth], image))
    return _assemble(name, rows, stripped, left_out, per_class)


def _assemble(
    name: str,
    rows: list[tuple[str, str, str]],
    images: Mapping[str, ImageSource],
    left_out: list[LeftOut],
    per_class: int | None,
) -> Dataset:
    if not rows:
        raise DatasetError(f"{name}: no images in class folders; put each class's images in a folder named after it")
    splits = list(dict.fromkeys(split for split, _, _ in rows))
    learned = {class_name for split, class_name, _ in rows if split in ("train", ALL)}
    for split, class_name, _ in rows:
        if class_name not in learned:
            raise DatasetError(f"{name}: class {class_name!r} of {split} has no images in train")
    class_names = sorted(learned)
    label_of = {class_name: label for label, class_name in enumerate(class_names)}
    samples: dict[str, list[Sample]] = {split: [] for split in splits}
    taken: dict[tuple[str, str], int] = {}
    for split, class_name, image in rows:
        count = taken.get((split, class_name), 0)
        if per_class is None or count < per_class:
            taken[split, class_name] = count + 1
            samples[split].append(Sample(images[image], image, label_of[class_name]))
    return Dataset(
        name=name,
        class_names=tuple(class_names),
        splits={split: tuple(part) for split, part in samples.items()},
        left_out=tuple(left_out),
    )


def _common_folder(images: Mapping[str, ImageSource]) -> str:
    """Return the folders around everything, with a slash at the end, as long as class folders are left below them."""
    prefix = ""
    while True:
        rests = [image[len(prefix) :] for image in images]
        tops = {rest.partition("/")[0] for rest in rests}
        if len(tops) != 1 or any(rest.count("/") < 2 for rest in rests):
            return prefix
        prefix += f"{tops.pop()}/"


def _after(image: str, prefix: str) -> str:
    return image[len(prefix) :]
