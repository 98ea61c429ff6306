"""Writes docs/api.md from the code: where the documentation's builder puts each public name's own text.

    python docs/reference_api.py

A test fails while docs/api.md is not what this writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tlcore

PAGE = Path(__file__).with_name("api.md")

_APART = {
    "tlcore.errors": "Every error there is.",
    "tlcore.sklearn": "Estimators for scikit-learn.",
    "tlcore.testing": "The conformance kit.",
}
"""Public modules that are imported by their own name."""


def page() -> str:
    """Return the text of docs/api.md."""
    return "\n".join([*_introduction(), *_names(), *_modules()]).rstrip() + "\n"


def _introduction() -> Iterator[str]:
    yield "# The library"
    yield ""
    yield "Written from the code by `python docs/reference_api.py`; the built pages show each name's signature and text."
    yield "All of it is imported from `tlcore` itself: `from tlcore import train`. Nothing heavy is imported before its use."
    yield ""


def _names() -> Iterator[str]:
    for module, names in sorted(tlcore.PUBLIC.items(), key=lambda item: item[0].rpartition(".")[2]):
        yield f"## {module.rpartition('.')[2].replace('_', ' ').capitalize()}"
        yield ""
        for name in names:
            yield f"::: tlcore.{module}.{name}"
            yield ""


def _modules() -> Iterator[str]:
    for module, told in _APART.items():
        yield f"## `{module}`"
        yield ""
        yield told
        yield ""
        yield f"::: {module}"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
