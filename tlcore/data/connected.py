"""Which things belong together, from pairs that do."""

from __future__ import annotations

from collections.abc import Iterable


def connected_sets(links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the sets, each in order, that links join directly or by way of others; things without a link are in none.

    >>> connected_sets([(0, 2), (2, 5), (1, 3)])
    [[0, 2, 5], [1, 3]]
    """
    parent: dict[int, int] = {}

    def root(item: int) -> int:
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for first, second in links:
        parent[root(second)] = root(first)
    sets: dict[int, list[int]] = {}
    for item in sorted(parent):
        sets.setdefault(root(item), []).append(item)
    return sorted(members for members in sets.values() if len(members) > 1)
