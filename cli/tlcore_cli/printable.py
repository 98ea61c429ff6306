"""Text from outside, such as the name of a file or a class, made fit to be printed on a terminal."""

from __future__ import annotations

_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0))}


def printable(text: str) -> str:
    """Return the text with control characters written out (``\\x1b``, ``\\n``), so that a name can neither break a line nor
    command the terminal."""
    return text.translate(_CONTROLS)
