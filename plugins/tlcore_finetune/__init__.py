"""Built-in plugin: fine-tuning a network from a fitted linear head on, with timm and accelerate, and logs of it."""

from __future__ import annotations

from tlcore.hookspecs import hookimpl
from tlcore.specs import FineTuneSpec, ObserverSpec
from tlcore_finetune.options import FineTuneOptions, GradualOptions, LoraOptions

TLCORE_API_VERSION = 1


@hookimpl
def tlcore_finetunes() -> list[FineTuneSpec]:
    return [
        FineTuneSpec(
            name="last-block",
            summary="train the last block of layers and the classifier",
            factory="tlcore_finetune.tuner:last_block",
            options=FineTuneOptions,
            licence="MIT",
        ),
        FineTuneSpec(
            name="gradual",
            summary="train the last block first, then one block more and one more, down to the first layer",
            factory="tlcore_finetune.tuner:gradual",
            options=GradualOptions,
            licence="MIT",
        ),
        FineTuneSpec(
            name="full",
            summary="train every layer, early ones at a lower rate",
            factory="tlcore_finetune.tuner:full",
            options=FineTuneOptions,
            licence="MIT",
        ),
        FineTuneSpec(
            name="lora",
            summary="train low-rank additions to every layer, added to the weights at the end (needs peft)",
            factory="tlcore_finetune.tuner:lora",
            options=LoraOptions,
            licence="MIT",
        ),
    ]


@hookimpl
def tlcore_observers() -> list[ObserverSpec]:
    return [
        ObserverSpec(
            name="json-lines",
            summary="one JSON object a line in the run's metrics.jsonl",
            factory="tlcore_finetune.json_lines:create",
            licence="MIT",
        ),
        ObserverSpec(
            name="tensorboard",
            summary="curves for TensorBoard in the run's folder (needs tensorboard)",
            factory="tlcore_finetune.tensorboard:create",
            licence="MIT",
        ),
    ]
