"""Finding the class a person means, among labels that list synonyms (``"tabby, tabby cat"``)."""

from __future__ import annotations

from collections.abc import Sequence

from tlcore.errors import UnknownNameError, did_you_mean

_SHOWN = 8
"""How many classes an error lists."""


def synonyms(label: str) -> tuple[str, ...]:
    """Return the names a label lists, as they compare: lower case, spaces for underscores.

    >>> synonyms("Siamese cat, Siamese")
    ('siamese cat', 'siamese')
    """
    return tuple(_plain(part) for part in label.split(", "))


def find_label(text: str, labels: Sequence[str], owner: str) -> int:
    """Return the index of the label that `text` means: the whole label, one of its synonyms, or its index.

    Upper and lower case, spaces and underscores are the same. A label that is itself a number goes before the index.

    Args:
        text: what a person typed.
        labels: in order; empty where classes have no names, so that only an index finds one.
        owner: whose classes they are, for errors.

    Raises:
        UnknownNameError: none has this name, or several do.

    Examples:
        >>> find_label("tabby cat", ["zebra", "tabby, tabby cat"], "the network")
        1
    """
    asked = _plain(text)
    for matches in (
        [index for index, label in enumerate(labels) if _plain(label) == asked],
        [index for index, label in enumerate(labels) if synonyms(label)[0] == asked],
        [index for index, label in enumerate(labels) if asked in synonyms(label)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UnknownNameError(
                f"{owner}: class {text!r} may be any of {_listed(matches, labels)}; give its index or a longer name"
            )
    if text.strip().isascii() and text.strip().isdigit():
        return _by_index(int(text), labels, owner)
    raise UnknownNameError(f"{owner} has no class {text!r}{_hint(text, asked, labels)}")


def same_class(label: str, labels: Sequence[str]) -> int | None:
    """Return the index of the one label of another network that names the same class, or None.

    >>> same_class("tabby, tabby cat", ["zebra", "tabby"])
    1
    """
    exact = [index for index, other in enumerate(labels) if _plain(other) == _plain(label)]
    if len(exact) == 1:
        return exact[0]
    names = set(synonyms(label))
    shared = [index for index, other in enumerate(labels) if names & set(synonyms(other))]
    return shared[0] if len(shared) == 1 else None


def _by_index(index: int, labels: Sequence[str], owner: str) -> int:
    if labels and index >= len(labels):
        raise UnknownNameError(f"{owner} has {len(labels)} classes, indices 0 to {len(labels) - 1}; there is no {index}")
    return index


def _hint(text: str, asked: str, labels: Sequence[str]) -> str:
    if not labels:
        return "; its classes have no names, give an index"
    words = [index for index, label in enumerate(labels) if asked and asked in _plain(label).replace(",", " ").split()]
    if words:
        return f"; these names hold it: {_listed(words, labels)}"
    known = [name for label in labels for name in label.split(", ")]
    hint = did_you_mean(text.replace("_", " "), known)
    return hint or f"; it has {len(labels)} classes: {', '.join(labels[:_SHOWN])}{', ...' if len(labels) > _SHOWN else ''}"


def _listed(indices: Sequence[int], labels: Sequence[str]) -> str:
    shown = ", ".join(f"{labels[index].partition(', ')[0]!r} ({index})" for index in indices[:_SHOWN])
    return shown + (f" and {len(indices) - _SHOWN} more" if len(indices) > _SHOWN else "")


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").lower().split())
