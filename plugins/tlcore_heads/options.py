"""The options of each head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tlcore.errors import OptionError, did_you_mean

CANDIDATES = ("linear", "discriminant", "prototype", "knn", "cosine", "mlp")
"""What `auto` can choose from, in the order they are tried: what it falls back to first, the slowest last."""


@dataclass(frozen=True, kw_only=True)
class LinearOptions:
    """Options of the linear head."""

    regularisation: float | None = field(
        default=None, metadata={"help": "inverse strength C; none = chosen on validation images", "minimum": 1e-10}
    )
    max_iterations: int = field(
        default=1000, metadata={"help": "of L-BFGS for each strength", "minimum": 1, "maximum": 1_000_000}
    )
    class_weight: Literal["none", "balanced"] = field(
        default="none", metadata={"help": "balanced = each class weighs the same, however many images it has"}
    )


@dataclass(frozen=True, kw_only=True)
class DiscriminantOptions:
    """Options of the discriminant head."""

    shrinkage: float | None = field(
        default=None,
        metadata={
            "help": "share of a ball in the shape of classes; none = chosen on validation images",
            "minimum": 1e-4,
            "maximum": 1,
        },
    )
    priors: Literal["observed", "equal"] = field(
        default="observed", metadata={"help": "equal = each class is as likely, however many images it has"}
    )


@dataclass(frozen=True, kw_only=True)
class PrototypeOptions:
    """Options of the prototype head."""

    centre: bool = field(default=True, metadata={"help": "subtract the training images' mean before normalising"})


@dataclass(frozen=True, kw_only=True)
class CosineOptions:
    """Options of the cosine head."""

    scale: float | None = field(
        default=None,
        metadata={
            "help": "what cosines are multiplied by; none = chosen on validation images",
            "minimum": 0.1,
            "maximum": 1e4,
        },
    )
    max_iterations: int = field(
        default=200, metadata={"help": "of L-BFGS for each scale", "minimum": 1, "maximum": 1_000_000}
    )


@dataclass(frozen=True, kw_only=True)
class NeighbourOptions:
    """Options of the nearest-neighbour head."""

    neighbours: int | None = field(
        default=None, metadata={"help": "how many vote; none = chosen on the training images, each left out", "minimum": 1}
    )


@dataclass(frozen=True, kw_only=True)
class PerceptronOptions:
    """Options of the multi-layer perceptron."""

    hidden: int = field(default=512, metadata={"help": "units of the hidden layer", "minimum": 1, "maximum": 65_536})
    dropout: float = field(
        default=0.5, metadata={"help": "share of hidden units left out at each step", "minimum": 0, "maximum": 0.95}
    )
    weight_decay: float = field(default=0.01, metadata={"help": "of AdamW", "minimum": 0, "maximum": 100})
    learning_rate: float = field(default=1e-3, metadata={"help": "of AdamW", "minimum": 1e-8, "maximum": 1})
    batch_size: int = field(default=64, metadata={"help": "images a step", "minimum": 1, "maximum": 1_000_000})
    epochs: int = field(default=200, metadata={"help": "at most", "minimum": 1, "maximum": 100_000})
    patience: int = field(
        default=10, metadata={"help": "epochs without a better validation loss before it stops", "minimum": 1}
    )


@dataclass(frozen=True, kw_only=True)
class AutoOptions:
    """Options of the automatic choice."""

    seconds: float = field(default=60.0, metadata={"help": "time to compare heads in", "minimum": 0, "maximum": 1e6})
    folds: int = field(default=5, metadata={"help": "of the cross-validation", "minimum": 2, "maximum": 100})
    candidates: tuple[str, ...] = field(default=CANDIDATES, metadata={"help": "the heads to choose from"})

    def __post_init__(self) -> None:
        for name in self.candidates:
            if name not in CANDIDATES:
                hint = did_you_mean(name, CANDIDATES) or ";"
                raise OptionError(f"there is no candidate {name!r}{hint} they are: {', '.join(CANDIDATES)}")
        if not self.candidates:
            raise OptionError(f"candidates must name a head or more of {', '.join(CANDIDATES)}")
