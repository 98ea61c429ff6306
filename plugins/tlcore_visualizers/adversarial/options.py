"""What can be set of an attack; read without importing what computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from tlcore.epsilon import Norm, parse_epsilon
from tlcore.errors import OptionError

Method = Literal[
    "pgd", "bim", "fgsm", "apgd", "deepfool", "carlini-wagner", "minimal", "universal", "patch", "square", "lesson"
]
METHODS: tuple[str, ...] = get_args(Method)

WITHIN_EPSILON: tuple[str, ...] = ("pgd", "bim", "fgsm", "apgd", "square", "universal")
"""Attacks that are bound to an epsilon."""

_DEFAULT_EPSILON = {"linf": "4/255", "l2": "3"}


@dataclass(frozen=True, kw_only=True)
class AdversarialOptions:
    """How to fool a network.

    Attributes:
        method: which attack.
        epsilon: largest change, in units of pixel values where white is 1.
        norm: what the change is measured by.
        strength: ``"standard"`` runs as many steps as the attack's paper, ``"quick"`` fewer.
        steps: instead of what `strength` says; queries for ``"square"``.
        restarts, momentum, loss: of the gradient attacks.
        confidence: by how many logits the goal is to be exceeded.
        rate: of ``"lesson"``: what the gradient is multiplied by.
        patch_size: side of a patch as a share of the picture's shorter side.
        onnx: whether to try the result on an exported ONNX file too.
    """

    method: Method = field(
        default="pgd",
        metadata={
            "help": "The attack. Within epsilon: pgd, bim, fgsm, apgd, square (asks for answers only), universal (one "
            "change for all). The smallest change: deepfool, carlini-wagner, minimal (epsilon by bisection). Also patch, "
            "and lesson: plain descent without projection."
        },
    )
    epsilon: str | float | None = field(
        default=None,
        metadata={"help": "Largest change in units of pixel values, for instance 4/255.  [4/255, or 3 where norm is l2]"},
    )
    norm: Norm = field(
        default="linf", metadata={"help": "The largest change of a pixel (linf), or the length of it all (l2)."}
    )
    strength: Literal["standard", "quick"] = field(
        default="standard", metadata={"help": "As many steps as the attack's paper (apgd: 100), or fewer."}
    )
    steps: int | None = field(
        default=None, metadata={"help": "Steps (queries for square) instead of what strength says.", "minimum": 1}
    )
    restarts: int = field(default=0, metadata={"help": "How often pgd and apgd begin again.", "minimum": 0})
    momentum: float = field(default=0.0, metadata={"help": "Of pgd and bim.", "minimum": 0, "maximum": 1})
    loss: Literal["cross-entropy", "dlr", "margin"] = field(
        default="cross-entropy", metadata={"help": "What pgd, bim, fgsm and apgd follow."}
    )
    confidence: float = field(
        default=0.0, metadata={"help": "By how many logits to fool it; more is surer, and further away.", "minimum": 0}
    )
    rate: float = field(default=1.0, metadata={"help": "Of lesson: what the gradient is multiplied by.", "minimum": 1e-6})
    patch_size: float = field(
        default=0.4, metadata={"help": "Side of a patch as a share of the picture's.", "minimum": 0.05, "maximum": 0.9}
    )
    onnx: bool = field(default=True, metadata={"help": "Try the result on an exported ONNX file too."})

    def __post_init__(self) -> None:
        parse_epsilon(self.asked_epsilon, self.norm)
        if self.norm == "l2" and self.method in ("square", "universal"):
            raise OptionError(f"method {self.method} is for norm linf; pgd, bim, fgsm, apgd, deepfool and minimal take l2")

    @property
    def asked_epsilon(self) -> str | float:
        """What was asked for, or the norm's default."""
        return _DEFAULT_EPSILON[self.norm] if self.epsilon is None else self.epsilon

    @property
    def radius(self) -> float:
        """Epsilon as a number, in units of pixel values."""
        return parse_epsilon(self.asked_epsilon, self.norm)


def methods() -> list[str]:
    """Name every attack."""
    return list(METHODS)
