"""How an ideal image is drawn: the settings of the optimisation, and sets of them that have a name.

``default`` is the decorrelated Fourier recipe of Olah et al. 2017 under noise that fades as it is drawn: gradients under
strong noise are those of large shapes, which other networks see too (randomised smoothing, Cohen et al. 2019). A strong
variation loss and what the network remembers of photographs (`remembered`) keep out what only this network would see. So do
views in a mirror, of other contrast and colours: what is left of a thing under all of these is its shape. The first half of
the steps sees smaller views (`small_views`), which cost half, and companions draw along (`companion`). The two of the
lesson are pixels and a cross-entropy, without a variation loss (noise appears) and with one (shapes appear).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tlcore_visualizers.ideal_options import IdealOptions

Parameterised = Literal["fourier", "maco", "pixels"]
Loss = Literal["margin", "logit", "probability"]
Optimiser = Literal["adam", "momentum", "sgd"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of the optimisation; `IdealOptions` says what each means."""

    parameterisation: Parameterised = "fourier"
    loss: Loss = "margin"
    optimiser: Optimiser = "adam"
    learning_rate: float = 0.05
    steps: int = 400
    views: int = 1
    scale: tuple[float, float] = (0.75, 1.5)
    rotation: float = 12.0
    shift: float = 0.25
    noise: tuple[float, float] = (0.1, 0.0)
    mirror: bool = True
    colour: float = 0.2
    view_blur: float = 0.0
    small_views: float = 0.5
    drop: float = 0.0
    tv: float = 80.0
    l2: float = 0.0
    blur: float = 0.0
    remembered: float = 30.0
    decay: float = 1.0
    companion_weight: float = 2.0


_LESSON = Recipe(
    steps=256,
    parameterisation="pixels",
    loss="probability",
    learning_rate=0.02,
    scale=(1.0, 1.0),
    rotation=0.0,
    shift=0.0,
    mirror=False,
    colour=0.0,
    noise=(0.0, 0.0),
    tv=0.0,
    remembered=0.0,
    companion_weight=0.0,
    small_views=0.0,
)

PRESETS = {
    "default": Recipe(),
    "lesson-noise": _LESSON,
    "lesson-tv": replace(_LESSON, tv=10.0),
    "maco": Recipe(parameterisation="maco", learning_rate=0.1, noise=(0.3, 0.05), tv=0.0, remembered=0.0),
}


def recipe_of(options: IdealOptions) -> Recipe:
    """Return the preset's recipe with what the options set instead."""
    given = {field.name: getattr(options, field.name) for field in fields(Recipe)}
    return replace(PRESETS[options.preset], **{name: value for name, value in given.items() if value is not None})
