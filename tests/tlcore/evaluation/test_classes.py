from __future__ import annotations

import pytest

from tests.tlcore.evaluation.made import made_dataset
from tlcore.errors import DatasetError, OptionError
from tlcore.evaluation.classes import match_classes

MODEL = ("cat", "dog", "horse")


def test_another_order_and_a_subset_are_matched_by_name() -> None:
    match = match_classes(made_dataset(("horse", "cat"), (0, 1, 1)), MODEL, {}, "wrong")
    assert (match.label_of, match.absent, match.unknown) == ((2, 0), ("dog",), ())
    assert [sample.label for sample in match.relabelled(made_dataset(("horse", "cat"), (0, 1, 1)).samples)] == [2, 0, 0]


@pytest.mark.parametrize(
    ("how", "names", "labels"),
    [("wrong", (*MODEL, "zebra"), (0, 3, 3)), ("leave-out", MODEL, (0,))],
)
def test_a_superset_counts_as_wrong_or_is_left_out(how: str, names: tuple[str, ...], labels: tuple[int, ...]) -> None:
    dataset = made_dataset(("cat", "zebra"), (0, 1, 1))
    match = match_classes(dataset, MODEL, {}, how)  # type: ignore[arg-type]
    assert (match.names, match.unknown, match.known) == (names, ("zebra",), 3)
    assert tuple(sample.label for sample in match.relabelled(dataset.samples)) == labels


def test_a_map_renames_and_merges() -> None:
    dataset = made_dataset(("tabby", "siamese", "dog"), (0, 1, 2))
    match = match_classes(dataset, MODEL, {"tabby": "cat", "siamese": "cat"}, "wrong")
    assert match.label_of == (0, 0, 1)


@pytest.mark.parametrize(
    ("classes", "class_map", "error", "told"),
    [
        (
            ("cat", "hrose"),
            {},
            DatasetError,
            r"'hrose' is not one of the model's; did you mean 'horse'\? .*--map 'hrose'=CLASS",
        ),
        (("x", "y"), {}, DatasetError, r"none of its classes \(x, y\) is one of the model's; .* they are: cat, dog, horse"),
        (("cat", "dog"), {"cta": "cat"}, OptionError, r"made has no class 'cta'; did you mean 'cat'\?"),
        (("cat", "dog"), {"cat": "hors"}, OptionError, r"the model has no class 'hors'; did you mean 'horse'\?"),
    ],
    ids=["misspelt", "all others", "map from nowhere", "map to nowhere"],
)
def test_names_that_do_not_fit_are_told(
    classes: tuple[str, ...], class_map: dict[str, str], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        match_classes(made_dataset(classes, (0, 1)), MODEL, class_map, "wrong")


def test_a_new_class_that_resembles_one_the_dataset_has_is_no_misspelling() -> None:
    assert match_classes(made_dataset(("cat", "cats"), (0, 1)), MODEL, {}, "wrong").unknown == ("cats",)
