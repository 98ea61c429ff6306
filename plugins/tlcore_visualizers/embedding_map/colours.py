"""A colour for each class, told apart on light and on dark paper."""

from __future__ import annotations

import colorsys

_FIRST = ("#3b7dd8", "#e07b00", "#2e9e5b", "#c2409c", "#8a6d00", "#7a5cd6", "#d8443c", "#1797a6", "#8c5a3c", "#6b7785")
"""Ten hues of like lightness that differ in the common kinds of colour blindness too."""

_GOLDEN = 0.618034


def class_colours(count: int) -> tuple[str, ...]:
    """Return as many colours as there are classes, ``#rrggbb``; from the eleventh on hues that lie ever further between.

    >>> class_colours(2)
    ('#3b7dd8', '#e07b00')
    """
    more = []
    for index in range(max(0, count - len(_FIRST))):
        lightness = (0.38, 0.52, 0.64)[index % 3]
        channels = colorsys.hls_to_rgb((0.11 + index * _GOLDEN) % 1, lightness, (0.8, 0.55)[index % 2])
        more.append("#" + "".join(f"{round(255 * channel):02x}" for channel in channels))
    return (*_FIRST[:count], *more)
