"""What can be switched in fine-tuning: every trick by name, with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


def _option(default: Any, help_text: str, minimum: int | float | None = None, maximum: int | float | None = None) -> Any:
    limits = {"minimum": minimum, "maximum": maximum}
    return field(default=default, metadata={"help": help_text, **{k: v for k, v in limits.items() if v is not None}})


@dataclass(frozen=True, kw_only=True)
class FineTuneOptions:
    """Options of every way of fine-tuning; docs/training.md explains each and names its source."""

    epochs: int = _option(15, "passes over the training images, at most", 1, 10_000)
    batch_size: int | None = _option(None, "images per update, over all processes; none = by the number of images", 2, 65536)
    accumulate: int = _option(1, "parts that a process computes its share of a batch in, to save memory", 1, 4096)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = _option(
        "auto", "of the arithmetic; auto = bfloat16 on a GPU that has it, else float32"
    )
    workers: int | None = _option(None, "processes that read images ahead; none = one less than the cores", 0, 64)
    checkpoint_seconds: float = _option(60.0, "between checkpoints; 0 = after every update", 0)

    optimizer: str = _option("adamw", "sgd, momentum, nesterov, adam, adamw, or any other that timm has")
    learning_rate: float | None = _option(None, "of the classifier; none = 0.001, or 0.01 with the sgd family", 1e-9, 100)
    momentum: float = _option(0.9, "of momentum and nesterov", 0, 0.9999)
    weight_decay: float = _option(0.01, "on weights; biases and normalisation are left out", 0, 10)
    layer_decay: float = _option(0.9, "learning rate of each layer relative to the one above it; 1 = the same", 0.01, 1)
    clip_norm: float | None = _option(1.0, "largest norm of the gradient; none = as it comes", 1e-9)
    schedule: Literal["cosine", "one-cycle", "step", "constant"] = _option("cosine", "how the learning rate falls")
    warmup: float = _option(0.1, "share of the updates in which it first rises", 0, 0.9)
    step_factor: float = _option(0.1, "by which schedule=step multiplies it after each third of the updates", 0, 1)

    averaging: Literal["none", "ema", "swa"] = _option("none", "of weights: moving, or over the last epochs")
    ema_decay: float = _option(0.99, "what averaging=ema keeps of the average at each update", 0, 0.99999)
    swa_start: float = _option(0.5, "share of the epochs after which averaging=swa begins", 0, 1)
    patience: int | None = _option(8, "epochs without improvement on the validation images before it stops; none = all", 1)
    restore_best: bool = _option(True, "keep the epoch that does best on the validation images, the start included")
    monitor: Literal["log_loss", "accuracy"] = _option("log_loss", "what better means: calibrated log-loss, or accuracy")

    init: Literal["probe", "zero", "normal", "xavier", "kaiming"] = _option(
        "probe", "of the new classifier: the head fitted on cached features, or weights that have learnt nothing"
    )
    normalisation: Literal["network", "dataset", "half"] = _option(
        "network", "mean and deviation of inputs: as pretrained, of the training images, or 0.5"
    )
    batch_norm: Literal["frozen", "batch", "re-estimated"] = _option(
        "frozen", "its statistics: as pretrained, of each batch in training, or computed anew after each epoch"
    )
    dropout: float = _option(0.0, "share of the classifier's inputs dropped in training", 0, 0.95)
    label_smoothing: float = _option(0.0, "share of the target given to all classes alike", 0, 0.9)
    class_weight: Literal["none", "balanced"] = _option("none", "balanced = each class weighs the same")

    crop: float = _option(
        0.8, "smallest share of an image that a random crop keeps; 1 = the crop that measuring uses", 0.05, 1
    )
    flip: float = _option(0.5, "share of images mirrored left to right", 0, 1)
    vertical_flip: float = _option(0.0, "share of images mirrored top to bottom", 0, 1)
    colour_jitter: float = _option(0.0, "strength of random brightness, contrast and saturation; 0 = off", 0, 1)
    rand_augment: int = _option(0, "magnitude of RandAugment; 0 = off, 9 is usual and the most", 0, 9)
    random_erasing: float = _option(0.0, "share of images with a rectangle erased", 0, 1)
    mixup: float = _option(0.0, "alpha of mixing two images; 0 = off, 0.2 is usual", 0, 10)
    cutmix: float = _option(0.0, "alpha of pasting a part of another image; 0 = off, 1 is usual", 0, 10)


@dataclass(frozen=True, kw_only=True)
class GradualOptions(FineTuneOptions):
    """Options of gradual unfreezing."""

    unfrozen_by: float = _option(0.5, "share of the epochs after which every layer is trained", 0, 1)


@dataclass(frozen=True, kw_only=True)
class LoraOptions(FineTuneOptions):
    """Options of low-rank additions."""

    rank: int = _option(8, "of the additions", 1, 1024)
    alpha: float = _option(16.0, "they are scaled by alpha / rank", 0.001)
