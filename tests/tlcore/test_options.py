from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

from tlcore.errors import OptionError
from tlcore.options import describe_options, make_options


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Options:
    steps: int = field(default=10, metadata={"help": "how many", "minimum": 1, "maximum": 99})
    rate: float = 0.5
    fast: bool = False
    mode: Literal["none", "balanced"] = "none"
    colour: Colour = Colour.RED
    side: int | None = None
    sizes: tuple[int, ...] = (1, 2)
    place: Path = Path()


@dataclass(frozen=True, kw_only=True)
class Required:
    steps: int


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("steps", "20", 20), ("steps", 20, 20), ("rate", "1e-3", 1e-3), ("rate", 2, 2.0), ("fast", "yes", True),
     ("fast", "False", False), ("mode", "balanced", "balanced"), ("colour", "blue", Colour.BLUE), ("side", "none", None),
     ("side", "64", 64), ("sizes", "3,4,5", (3, 4, 5)), ("place", "a/b", Path("a/b"))],
)  # fmt: skip
def test_text_is_read_as_the_fields_type(name: str, text: object, value: object) -> None:
    assert getattr(make_options(Options, {name: text}, "head x"), name) == value


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [("steps", "many", "head x: option 'steps' must be a whole number, got 'many'"),
     ("steps", "1.5", "must be a whole number"),
     ("steps", "0", "option 'steps' must be at least 1, got 0"),
     ("steps", "100", "at most 99, got 100"),
     ("steps", True, "must be a whole number, got True"),
     ("rate", "nan", "must be a number, got 'nan'"),
     ("fast", "maybe", "must be true or false, got 'maybe'"),
     ("mode", "balancd", "must be one of none, balanced, got 'balancd'; did you mean 'balanced'?"),
     ("colour", "green", "must be one of red, blue"),
     ("sizes", "1,x", "must be a whole number, got 'x'"),
     ("stepps", "1", "head x has no option 'stepps'; did you mean 'steps'? it has: steps, rate")],
)  # fmt: skip
def test_what_does_not_fit_is_told(name: str, text: object, told: str) -> None:
    with pytest.raises(OptionError) as error:
        make_options(Options, {name: text}, "head x")
    assert told in str(error.value)


def test_a_missing_required_option_is_told() -> None:
    with pytest.raises(OptionError, match=r"head x needs the option 'steps' \(int\)"):
        make_options(Required, {}, "head x")


def test_descriptions_state_types_defaults_and_help() -> None:
    described = {option.name: option for option in describe_options(Options)}
    assert (described["steps"].type, described["steps"].default, described["steps"].help) == ("int", 10, "how many")
    assert described["mode"].type == "none|balanced"
    assert described["side"].type == "int|none"
