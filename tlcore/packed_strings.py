"""Very many strings in little memory."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import overload

_RUN = 4096
"""How many strings are sorted at once."""

_FOUR_BYTES = (1 << 32) - 1


class PackedStrings(Sequence[str]):
    """Strings in one buffer of UTF-8: four bytes each besides their own, where a Python string takes fifty or more.

    Args:
        strings: the first ones; `append` adds more.

    Examples:
        >>> names = PackedStrings(["Cat/1.jpg", "犬.png"])
        >>> names.append("Dog/2.jpg")
        >>> names[1], names[-1], len(names)
        ('犬.png', 'Dog/2.jpg', 3)
    """

    def __init__(self, strings: Iterable[str] = ()) -> None:
        self._text = bytearray()
        self._ends = array("I", [0])
        for string in strings:
            self.append(string)

    def append(self, string: str) -> None:
        """Add a string at the end."""
        # File names that are no UTF-8 come with lone surrogates, which pass through as they are.
        self._text += string.encode("utf-8", "surrogatepass")
        if len(self._text) > _FOUR_BYTES and self._ends.typecode == "I":
            self._ends = array("Q", self._ends)
        self._ends.append(len(self._text))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> PackedStrings: ...
    def __getitem__(self, index: int | slice) -> str | PackedStrings:
        if isinstance(index, slice):
            return PackedStrings(self[row] for row in range(*index.indices(len(self))))
        row = range(len(self))[index]
        return self._text[self._ends[row] : self._ends[row + 1]].decode("utf-8", "surrogatepass")


def sorted_strings(strings: Iterable[str]) -> Iterator[str]:
    """Yield strings in order; they wait packed, so that very many need little memory.

    >>> list(sorted_strings(["b", "c", "a"]))
    ['a', 'b', 'c']
    """
    rest = iter(strings)
    runs: list[PackedStrings] = []
    while run := sorted(islice(rest, _RUN)):
        runs.append(PackedStrings(run))
    return heapq.merge(*runs)


def order_of(strings: Sequence[str]) -> Sequence[int]:
    """Return the places of strings in their order; those that are in order already need no memory.

    >>> list(order_of(["b", "c", "a"]))
    [2, 0, 1]
    """
    if all(string <= following for string, following in pairwise(strings)):
        return range(len(strings))
    return sorted(range(len(strings)), key=strings.__getitem__)
