"""How to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlcore.data.preparation import Preparation
from tlcore.data.splits import SplitFractions
from tlcore.errors import OptionError
from tlcore.provenance import plain_options


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train.

    Attributes:
        backbone: a name as `Registry.resolve` takes it; None takes what `default_backbone` chooses.
        head: likewise.
        dataset_options, backbone_options, head_options: option name to value, for the plugin objects.
        fractions: shares held out of a dataset that does not say itself.
        seed: of the split and the fit.
        strict: raise on an unreadable image instead of leaving it out.
        audit: look for copies and leaks before dividing, and keep copies together.
        exclude: exclusion list (`tlcore.data.exclusion`) of images to leave out.
        split_from: bundle whose split is used again.
        engine: what runs the network, ``"auto"``, ``"onnx"``, ``"openvino"`` or ``"torch"``.
        views: of each image, ``"one"``, ``"flip"`` or ``"crops:N"``.
        layers: of how many of the network's layers the features are; None for its pooled features alone.
        pyramid: of how many levels the features are, side by side: of the whole image, its quarters, its sixteenths; None
            for those of the whole image.
        folds: measure by cross-validation in so many folds over the whole dataset, then learn from all of it; None holds
            out a test set.
        finetune: how to train the network on from the head, as `Registry.resolve` takes it; None leaves it as pretrained.
        finetune_options: option name to value.
        observers: who is told how fine-tuning goes, by name.
        run: folder of the fine-tuning run: its checkpoints and logs; None takes the output's name with ``.run`` added.
    """

    backbone: str | None = None
    head: str = "linear"
    dataset_options: Mapping[str, object] = field(default_factory=dict)
    backbone_options: Mapping[str, object] = field(default_factory=dict)
    head_options: Mapping[str, object] = field(default_factory=dict)
    fractions: SplitFractions = field(default_factory=SplitFractions)
    seed: int = 0
    strict: bool = False
    audit: bool = True
    exclude: Path | None = None
    split_from: Path | None = None
    engine: str = "auto"
    views: str = "one"
    layers: int | None = None
    pyramid: int | None = None
    folds: int | None = None
    finetune: str | None = None
    finetune_options: Mapping[str, object] = field(default_factory=dict)
    observers: tuple[str, ...] = ("json-lines",)
    run: Path | None = None

    def __post_init__(self) -> None:
        if self.folds is not None and self.split_from is not None:
            raise OptionError("folds divide the dataset anew; give either folds or a bundle to take the split from")
        if self.folds is not None and self.layers is not None:
            raise OptionError(
                "folds would measure features chosen on the images they test; leave out either folds or layers"
            )
        if self.pyramid is not None and self.layers is not None:
            raise OptionError("features are of a pyramid or of several layers; leave out either pyramid or layers")
        if self.pyramid is not None and self.finetune is not None:
            raise OptionError("fine-tuning trains the network with a classifier of the whole image; leave out pyramid")
        if self.folds is not None and self.folds < 2:
            raise OptionError(f"folds must be at least 2, got {self.folds}")
        if self.folds is not None and self.finetune is not None:
            raise OptionError("folds measure heads on cached features; fine-tuning is measured on a test set")
        if self.layers is not None and self.finetune is not None:
            raise OptionError("fine-tuning trains the network up to its last layer; leave out layers")
        if self.finetune is None and self.finetune_options:
            raise OptionError("options of fine-tuning are set, but not how to fine-tune")

    @property
    def preparation(self) -> Preparation:
        """How the dataset is made ready."""
        return Preparation(
            fractions=self.fractions,
            seed=self.seed,
            audit=self.audit,
            exclude=self.exclude,
            split_from=self.split_from,
            pooled=self.folds is not None,
        )

    def record(self, dataset: str) -> dict[str, Any]:
        """Return what a bundle says of how it was asked for, JSON-ready."""
        return {
            "dataset": dataset,
            "dataset_options": plain_options(self.dataset_options),
            "strict": self.strict,
            "fractions": {"validation": self.fractions.validation, "test": self.fractions.test},
            "audit": self.audit,
            "engine": self.engine,
            "views": self.views,
            "layers": self.layers,
            "pyramid": self.pyramid,
            "exclude": str(self.exclude) if self.exclude is not None else None,
            "split_from": str(self.split_from) if self.split_from is not None else None,
            "folds": self.folds,
            "finetune": self.finetune,
            "finetune_options": plain_options(self.finetune_options),
        }
