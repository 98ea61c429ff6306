"""Small pieces of the page: every text that comes from outside goes through `text` or `name`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

Cell = str | tuple[float, str]
"""HTML, or a number to sort by and its HTML."""


def text(value: object) -> str:
    """Return a text as HTML, fit for attributes, too.

    Examples:
        >>> text('<b title="x">')
        '&lt;b title=&quot;x&quot;&gt;'
    """
    return escape(str(value).encode("utf-8", "backslashreplace").decode(), quote=True)


def name(value: str) -> str:
    """Return a name as HTML; its writing direction touches nothing around it."""
    return f"<bdi>{text(value)}</bdi>"


def script_json(value: Any) -> str:
    """Return a value as JSON that stands safely inside a script element.

    Examples:
        >>> script_json("</script>")
        '"\\\\u003c/script\\\\u003e"'
    """
    dumped = json.dumps(value, separators=(",", ":"))
    return dumped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def section(identity: str, title: str, *parts: str) -> str:
    """Return a section with a heading; empty where all its parts are."""
    body = "".join(parts)
    return f'<section id="{identity}"><h2>{text(title)}</h2>{body}</section>\n' if body else ""


def paragraph(*parts: str) -> str:
    """Return a quiet paragraph of text that is escaped here."""
    return f'<p class="soft">{text("".join(parts))}</p>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, attributes: str = "") -> str:
    """Return a table that scrolls sideways where it is too wide.

    Args:
        columns: headings; those that start with ``>`` are of numbers.
        rows: cells, HTML already.
        attributes: of the table element.
    """
    kinds = [' class="number"' if column.startswith(">") else "" for column in columns]
    head = "".join(f"<th{kind}>{text(column.lstrip('>'))}</th>" for column, kind in zip(columns, kinds, strict=True))
    body = "".join(f"<tr>{''.join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True))}</tr>" for row in rows)
    return f'<div class="table"><table{attributes}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: Cell, kind: str) -> str:
    if isinstance(cell, tuple):
        return f'<td{kind} data-value="{cell[0]:.6g}">{cell[1]}</td>'
    return f"<td{kind}>{cell}</td>"


def plot(svg: str, caption: str) -> str:
    """Return a plot with its caption; empty where there is no plot."""
    return f"<figure>{svg}<figcaption>{text(caption)}</figcaption></figure>" if svg else ""
