"""Each switch of fine-tuning does what it says, and nothing depends on what ran before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.tlcore_finetune.conftest import weights
from tlcore import FineTuneResult, FineTuneTask
from tlcore.errors import FineTuneError, OptionError
from tlcore.observer import TrainingEvent

Tune = Callable[..., FineTuneResult]


def accuracy(result: FineTuneResult, task: FineTuneTask) -> float:
    from tlcore_finetune.images import plain_inputs

    with torch.inference_mode():
        logits = [result.network(torch.from_numpy(x)) for x in plain_inputs(task.validation, result.preprocess)]
    labels = [sample.label for sample in task.validation]
    return float((torch.cat(logits).argmax(1).numpy() == labels).mean())


@pytest.mark.parametrize("way", ["last-block", "gradual", "full"])
def test_it_learns_from_a_classifier_that_knows_nothing(way: str, task: FineTuneTask, tune: Tune) -> None:
    result = tune(task, way, epochs=4)
    assert accuracy(result, task) > 0.8
    assert result.record["best_epoch"] > 0
    assert not result.network.training


def test_lora_learns_and_leaves_a_plain_network(task: FineTuneTask, tune: Tune) -> None:
    pytest.importorskip("peft")
    result = tune(task, "lora", epochs=4)
    assert accuracy(result, task) > 0.8
    assert list(result.network.state_dict()) == list(task.network.state_dict())
    assert weights(result.network)["conv1.0.weight"] != weights(task.network)["conv1.0.weight"]


def test_lora_without_peft_says_what_to_install(task: FineTuneTask, tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(FineTuneError, match=r"needs the package 'peft': pip install 'tlcore\[lora\]'"):
        tune(task, "lora")


def test_last_block_leaves_the_layers_below_as_they_are(task: FineTuneTask, tune: Tune) -> None:
    before, after = weights(task.network), weights(tune(task, "last-block", epochs=1, restore_best=False).network)
    changed = {name.partition(".")[0] for name in before if before[name] != after[name]}
    assert changed == {"layer4", "fc"}


def test_gradual_unfreezing_reaches_every_layer(task: FineTuneTask, tune: Tune) -> None:
    before = weights(task.network)
    first = weights(tune(task, "gradual", epochs=2, restore_best=False, unfrozen_by=1.0).network)
    assert before["conv1.0.weight"] == first["conv1.0.weight"]
    every = weights(tune(task, "gradual", epochs=2, restore_best=False, unfrozen_by=0.0).network)
    assert before["conv1.0.weight"] != every["conv1.0.weight"]


SWITCHES = [
    {"optimizer": "sgd"}, {"optimizer": "momentum"}, {"optimizer": "nesterov"}, {"optimizer": "adam"}, {"optimizer": "lion"},
    {"learning_rate": 0.001}, {"weight_decay": 1.0}, {"layer_decay": 0.5}, {"clip_norm": 0.01}, {"warmup": 0.6},
    {"schedule": "one-cycle"}, {"schedule": "step"}, {"schedule": "constant"}, {"averaging": "ema"},
    {"averaging": "swa"}, {"init": "normal"}, {"init": "xavier"}, {"init": "kaiming"},
    {"normalisation": "dataset"}, {"normalisation": "half"}, {"batch_norm": "batch"}, {"batch_norm": "re-estimated"},
    {"dropout": 0.5}, {"label_smoothing": 0.2}, {"class_weight": "balanced"}, {"crop": 0.5}, {"flip": 0.0},
    {"vertical_flip": 0.5}, {"colour_jitter": 0.4}, {"rand_augment": 9}, {"random_erasing": 1.0}, {"mixup": 0.4},
    {"cutmix": 1.0}, {"batch_size": 8}, {"precision": "bfloat16"},
]  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> dict[str, bytes]:
    return {}


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: ",".join(f"{k}={v}" for k, v in switch.items()))
def test_each_switch_changes_what_is_learnt(
    switch: dict[str, Any], task: FineTuneTask, tune: Tune, plain: dict[str, bytes]
) -> None:
    uneven = replace(task, train=(*task.train[:4], *task.train[16:20]), validation=())
    if not plain:
        plain |= weights(tune(uneven, epochs=3, batch_size=4).network)
    few = replace(uneven, train=uneven.train[:6]) if "class_weight" in switch else uneven
    result = tune(few, **{"epochs": 3, "batch_size": 4, **switch})
    assert all(tensor.isfinite().all() for tensor in result.network.state_dict().values())
    assert weights(result.network) != plain


def test_the_same_seed_gives_the_same_bits_however_images_are_read(task: FineTuneTask, tune: Tune) -> None:
    settings = {"crop": 0.5, "mixup": 0.2, "rand_augment": 5, "dropout": 0.2, "epochs": 1, "restore_best": False}
    first = weights(tune(task, **settings).network)
    random.seed(5)
    np.random.seed(6)
    torch.manual_seed(7)
    assert weights(tune(task, **settings, workers=2).network) == first
    other = tune(replace(task, seed=1), **settings)
    assert weights(other.network) != first


def test_accumulating_parts_gives_the_same_up_to_rounding(task: FineTuneTask, tune: Tune) -> None:
    settings = {"epochs": 1, "mixup": 0.4, "restore_best": False, "optimizer": "sgd"}
    whole = tune(task, **settings).network.state_dict()
    parts = tune(task, **settings, accumulate=2).network.state_dict()
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("unchecked_types")  # which draw from Python's generator
def test_global_generators_are_left_alone(task: FineTuneTask, tune: Tune) -> None:
    before = (random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes())
    tune(task, epochs=1)
    assert (random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()) == before


def test_the_best_weights_come_back_and_it_stops_early(task: FineTuneTask, tune: Tune) -> None:
    told: list[TrainingEvent] = []
    result = tune(task, epochs=9, patience=2, learning_rate=0.1, optimizer="adam", observe=told.append)
    epochs = [event.values["validation_log_loss"] for event in told if event.kind == "epoch"]
    assert result.record["best_epoch"] == int(np.argmin(epochs))
    assert len(epochs) < 10
    assert any("kept the weights" in note for note in result.notes)


def test_without_validation_images_every_epoch_is_done(task: FineTuneTask, tune: Tune) -> None:
    result = tune(replace(task, validation=()), epochs=2)
    assert (result.record["epochs"], result.record["best_epoch"]) == (2, 2)


def test_validation_images_are_not_learnt_from(task: FineTuneTask, tune: Tune) -> None:
    settings = {"epochs": 1, "restore_best": False}
    first = weights(tune(task, **settings).network)
    others = replace(task, validation=task.validation[:3])
    assert weights(tune(others, **settings).network) == first


def test_events_are_plain_numbers_in_order(task: FineTuneTask, tune: Tune) -> None:
    told: list[TrainingEvent] = []
    tune(task, epochs=1, observe=told.append)
    assert [event.kind for event in told] == ["started", "epoch", "step", "step", "step", "epoch", "finished"]
    assert [event.step for event in told if event.kind == "step"] == [1, 2, 3]
    assert all(isinstance(value, float) for event in told for value in event.values.values())
    assert told[2].values.keys() >= {"loss", "learning_rate", "images_per_second", "gradient_norm"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"optimizer": "adamv"}, "timm has no optimizer 'adamv'; did you mean 'adam"),
     ({"batch_size": 7}, "batch_size must be a multiple of 2 for 1 process"),
     ({"precision": "float16"}, "precision=float16 needs a GPU")],
    ids=["optimizer", "odd-batch", "half-precision"],
)  # fmt: skip
def test_what_cannot_be_done_is_told(settings: dict[str, Any], told: str, task: FineTuneTask, tune: Tune) -> None:
    with pytest.raises((FineTuneError, OptionError), match=told):
        tune(task, **settings)


def test_one_class_is_refused(task: FineTuneTask, tune: Tune) -> None:
    with pytest.raises(FineTuneError, match="training images of two classes or more, got 1"):
        tune(replace(task, train=task.train[:4]))
