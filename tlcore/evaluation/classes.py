"""Which images are measured: the split, and the dataset's classes matched to the model's by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tlcore.dataset import ALL, Dataset, Sample
from tlcore.errors import DatasetError, OptionError, did_you_mean
from tlcore.evaluation.options import UnknownClasses


@dataclass(frozen=True, kw_only=True)
class ClassMatch:
    """How a dataset's classes stand to the model's.

    Attributes:
        names: the model's classes in its order, then those it cannot know, unless their images are left out.
        known: how many of them are the model's.
        label_of: position in `names` for each of the dataset's labels; None for classes left out.
        unknown: the dataset's classes that the model cannot know.
        absent: the model's classes that the dataset has not.
    """

    names: tuple[str, ...]
    known: int
    label_of: tuple[int | None, ...]
    unknown: tuple[str, ...]
    absent: tuple[str, ...]

    def relabelled(self, samples: Sequence[Sample]) -> tuple[Sample, ...]:
        """Return the samples that are not left out, their labels positions in `names`."""
        labels = [(sample, self.label_of[sample.label]) for sample in samples]
        return tuple(replace(sample, label=label) for sample, label in labels if label is not None)


def choose_split(dataset: Dataset, asked: str | None) -> str:
    """Return the split to measure on: the one asked for, else the first there is of test, validation, all and train.

    Raises:
        DatasetError: there is no such split, or no image.
    """
    if asked is not None:
        if asked not in dataset.splits:
            raise DatasetError(f"{dataset.name}: has no split {asked!r}; it has: {', '.join(dataset.splits)}")
        return asked
    for name in ("test", "validation", ALL, "train"):
        if dataset.splits.get(name):
            return name
    raise DatasetError(f"{dataset.name}: there are no images in it")


def relabelled(dataset: Dataset, samples: Sequence[Sample], classes: Sequence[str]) -> tuple[Sample, ...]:
    """Return samples with the labels that `classes`, a model's, has for their class names.

    Raises:
        DatasetError: a class of the dataset is not one of them.
    """
    match = _match(dataset, classes, {}, "wrong")
    if match.unknown:
        hint = did_you_mean(match.unknown[0], classes) or ";"
        raise DatasetError(f"{dataset.name}: class {match.unknown[0]!r} is not one of the model's{hint} {_listed(classes)}")
    return match.relabelled(samples)


def match_classes(
    dataset: Dataset, classes: Sequence[str], class_map: Mapping[str, str], unknown_classes: UnknownClasses
) -> ClassMatch:
    """Match a dataset's classes to the model's.

    Other order and missing classes need nothing. A class the model does not know is taken for a misspelling, and refused,
    where its name resembles a class of the model that the dataset lacks, and where no class matches at all.

    Args:
        dataset: whose classes.
        classes: the model's, in its order.
        class_map: dataset class to the model's class it stands for.
        unknown_classes: whether images of classes the model cannot know count as wrong or are left out.

    Raises:
        OptionError: the map names a class that the dataset or the model does not have.
        DatasetError: a class is probably misspelt, or no class is the model's.
    """
    _check_map(dataset, classes, class_map)
    match = _match(dataset, classes, class_map, unknown_classes)
    _refuse_misspellings(dataset, classes, match.unknown, match.absent)
    return match


def _match(
    dataset: Dataset, classes: Sequence[str], class_map: Mapping[str, str], unknown_classes: UnknownClasses
) -> ClassMatch:
    position = {name: index for index, name in enumerate(classes)}
    wanted = [class_map.get(name, name) for name in dataset.class_names]
    unknown = tuple(name for name, target in zip(dataset.class_names, wanted, strict=True) if target not in position)
    extra = {name: len(classes) + index for index, name in enumerate(unknown)} if unknown_classes == "wrong" else {}
    return ClassMatch(
        names=(*classes, *extra),
        known=len(classes),
        label_of=tuple(position.get(target, extra.get(target)) for target in wanted),
        unknown=unknown,
        absent=tuple(name for name in classes if name not in wanted),
    )


def _check_map(dataset: Dataset, classes: Sequence[str], class_map: Mapping[str, str]) -> None:
    for source, target in class_map.items():
        for name, known, owner in ((source, dataset.class_names, dataset.name), (target, classes, "the model")):
            if name not in known:
                hint = did_you_mean(name, known) or ";"
                raise OptionError(f"class map {source!r} = {target!r}: {owner} has no class {name!r}{hint} {_listed(known)}")


def _refuse_misspellings(dataset: Dataset, classes: Sequence[str], unknown: Sequence[str], absent: Sequence[str]) -> None:
    for name in unknown:
        hint = did_you_mean(name, absent)
        if hint:
            raise DatasetError(
                f"{dataset.name}: class {name!r} is not one of the model's{hint} rename it, or state what it stands for: "
                f"--map {name!r}=CLASS; {_listed(classes)}"
            )
    if len(unknown) == len(dataset.class_names):
        raise DatasetError(
            f"{dataset.name}: none of its classes ({', '.join(unknown[:10])}) is one of the model's; state what each stands "
            f"for with --map NAME=CLASS; {_listed(classes)}"
        )


def _listed(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - 20} more" if len(classes) > 20 else ""
    return f"they are: {', '.join(classes[:20])}{more}"
