from __future__ import annotations

import re

import pytest

from tlcore.errors import UnknownNameError
from tlcore.label import find_label, same_class

LABELS = ("tabby, tabby cat", "Siamese cat, Siamese", "crane", "crane, hoist", "maillot", "maillot, tank suit", "7", "zebra")


@pytest.mark.parametrize(
    ("text", "index"),
    [("tabby", 0), ("TABBY CAT", 0), ("tabby_cat", 0), ("tabby, tabby cat", 0), ("Siamese", 1), ("crane", 2), ("hoist", 3),
     ("0", 0), (" 3 ", 3), ("7", 6), ("zebra", 7)],
)  # fmt: skip
def test_names_synonyms_and_indices_are_found(text: str, index: int) -> None:
    assert find_label(text, LABELS, "mini") == index


@pytest.mark.parametrize(
    ("text", "labels", "told"),
    [
        ("zbra", LABELS, "mini has no class 'zbra'; did you mean 'zebra'?"),
        ("tabby cta", LABELS, "mini has no class 'tabby cta'; did you mean 'tabby cat'?"),
        ("cat", LABELS, "mini has no class 'cat'; these names hold it: 'tabby' (0), 'Siamese cat' (1)"),
        ("8", LABELS, "mini has 8 classes, indices 0 to 7; there is no 8"),
        ("-1", LABELS, "mini has no class '-1'; it has 8 classes: tabby, tabby cat, Siamese cat, Siamese, crane"),
        ("", LABELS, "mini has no class ''; it has 8 classes"),
        ("sea", ("sea, lake", "sea, ocean"), "mini: class 'sea' may be any of 'sea' (0), 'sea' (1); give its index or a longer name"),
        ("cat", (), "mini has no class 'cat'; its classes have no names, give an index"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_is_not_found_is_told_with_the_nearest(text: str, labels: tuple[str, ...], told: str) -> None:
    with pytest.raises(UnknownNameError, match=re.escape(told)):
        find_label(text, labels, "mini")


def test_the_same_class_of_another_network() -> None:
    assert same_class("zebra", LABELS) == 7
    assert same_class("tabby", LABELS) == 0
    assert same_class("crane, bird", LABELS) is None  # it may be either
    assert same_class("wolf", LABELS) is None
