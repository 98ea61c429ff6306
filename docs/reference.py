"""Writes docs/hooks.md from the code: the hooks, the records they return, the contracts behind them, and the checks.

    python docs/reference.py

A test fails while docs/hooks.md is not what this writes, and where a hook, a contract or a public name has no docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import tlcore
from tlcore import hookspecs
from tlcore.backbone import Backbone
from tlcore.dataset import Dataset
from tlcore.fine_tuner import FineTuner, FineTuneResult, FineTuneTask
from tlcore.head import FittedHead, Head
from tlcore.observer import Observer, TrainingEvent
from tlcore.specs import API_VERSION, KINDS
from tlcore.testing import CommandConformance, Conformance, PluginConformance, check_names
from tlcore.testing.checking import SUITES
from tlcore.visualizer import Visualizer

CONTRACTS: dict[str, tuple[type, ...]] = {
    "backbone": (Backbone,),
    "dataset": (Dataset,),
    "head": (Head, FittedHead),
    "visualizer": (Visualizer,),
    "finetune": (FineTuner, FineTuneTask, FineTuneResult),
    "observer": (Observer, TrainingEvent),
}

PAGE = Path(__file__).with_name("hooks.md")


def page() -> str:
    """Return the text of docs/hooks.md."""
    return "\n".join([*_introduction(), *_kinds(), *_suites(), *_public_names()]).rstrip() + "\n"


def _introduction() -> Iterator[str]:
    yield "# Hooks, contracts and checks"
    yield ""
    yield f"Written from the code by `python docs/reference.py`. The plugin API version is {API_VERSION}."
    yield ""
    yield _text(hookspecs)
    yield ""


def _kinds() -> Iterator[str]:
    for kind in KINDS:
        yield f"## `{kind.hook}`"
        yield ""
        yield _text(getattr(hookspecs, kind.hook))
        yield ""
        yield f"Returns a sequence of `{kind.spec.__name__}` records: {_first(kind.spec)}"
        yield ""
        yield "| field | default |"
        yield "|---|---|"
        for field in fields(kind.spec):
            default = getattr(field.default, "__name__", repr(field.default))
            yield f"| `{field.name}` | {'required' if 'MISSING' in repr(field.default) else f'`{default}`'} |"
        yield ""
        for contract in CONTRACTS[kind.name]:
            yield from _contract(contract)


def _contract(contract: type) -> Iterator[str]:
    yield f"### `{contract.__name__}`"
    yield ""
    yield _text(contract)
    yield ""
    for name, member in vars(contract).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not (inspect.isfunction(function) or isinstance(member, property)):
            continue
        needed = " (a plugin writes it)" if getattr(function, "__isabstractmethod__", False) else ""
        shown = name if isinstance(member, property) else f"{name}({', '.join(_parameters(function))})"
        yield f"- `{shown}`{needed}: {_first(function)}"
    yield ""


def _suites() -> Iterator[str]:
    yield "## What the conformance kit checks"
    yield ""
    yield "Every object of a plugin: "
    yield ""
    shared = check_names(Conformance)
    yield from _checks(Conformance, shared)
    for kind in KINDS:
        suite = SUITES[kind.name]
        yield f"A {kind.name} (`{suite.__name__}`):"
        yield ""
        yield from _checks(suite, tuple(name for name in check_names(suite) if name not in shared))
    wholes: tuple[tuple[type, str], ...] = ((PluginConformance, "A plugin as a whole"), (CommandConformance, "A command"))
    for whole, told in wholes:
        yield f"{told} (`{whole.__name__}`):"
        yield ""
        yield from _checks(whole, check_names(whole))


def _checks(suite: type, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield f"- {name.removeprefix('test_').replace('_', ' ')}: {_first(getattr(suite, name))}"
    yield ""


def _public_names() -> Iterator[str]:
    yield "## Public names"
    yield ""
    yield "What `tlcore` offers by itself. [plugins.md](plugins.md) says what is stable."
    yield ""
    for name in tlcore.__all__:
        if name != "__version__":
            value = getattr(tlcore, name)
            yield f"- `{name}`: {_first(value)}"
    yield ""


def _parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def _text(documented: Any) -> str:
    text = inspect.getdoc(documented)
    if not text:
        raise SystemExit(f"{getattr(documented, '__qualname__', documented)} has no docstring")
    return re.sub(r"``([^`]+)``", r"`\1`", text.replace("::\n", ":\n"))


def _first(documented: Any) -> str:
    return " ".join(_text(documented).partition("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
