"""A small task: shapes that the network in the box, at 32 pixels, tells apart by a classifier fitted or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import draw_shape
from tlcore import FineTuneResult, FineTuneTask, Registry
from tlcore.dataset import Sample
from tlcore.images import BytesImage, encode_png
from tlcore.observer import Observers, TrainingEvent

CLASSES = ("bar", "circle", "square")


def shape_samples(first: int, last: int) -> tuple[Sample, ...]:
    return tuple(
        Sample(image=BytesImage(encode_png(draw_shape(shape, index))), name=f"{shape}/{index}", label=label)
        for label, shape in enumerate(CLASSES)
        for index in range(first, last)
    )


@pytest.fixture(scope="session")
def blank_network() -> torch.nn.Module:
    """The network in the box with a classifier that has learnt nothing."""
    backbone = Registry().backbone("mini", {"image_size": 32})
    size = backbone.info.feature_size
    return backbone.torch_classifier(np.zeros((3, size), np.float32), np.zeros(3, np.float32))


@pytest.fixture
def task(blank_network: torch.nn.Module, tmp_path: Path) -> FineTuneTask:
    return FineTuneTask(
        network=copy.deepcopy(blank_network),
        preprocess=Registry().backbone("mini", {"image_size": 32}).info.preprocess,
        class_names=CLASSES,
        train=shape_samples(0, 8),
        validation=shape_samples(20, 24),
        seed=0,
        directory=tmp_path / "run",
    )


Tune = Callable[..., FineTuneResult]


@pytest.fixture
def tune(registry: Registry, blank_network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Tune:
    """Fine-tune a task with few, quick updates unless told otherwise, in a folder of its own unless told to go on."""

    def run(
        task: FineTuneTask,
        way: str = "full",
        *,
        observe: Callable[[TrainingEvent], None] | None = None,
        go_on: bool = False,
        **settings: Any,
    ) -> FineTuneResult:
        directory = task.directory if go_on else tmp_path_factory.mktemp("run")
        options = {"epochs": 2, "batch_size": 8, "workers": 0, "learning_rate": 0.003, "crop": 1, **settings}
        fresh = replace(task, network=copy.deepcopy(blank_network), directory=directory)
        tuner = registry.finetune(way, options)
        return tuner.tune(fresh, observe=observe if observe is not None else Observers({}))

    return run


def weights(network: torch.nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}
