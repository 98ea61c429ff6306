from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.tlcore_heads.points import digits, none_of
from tlcore import HeadData
from tlcore.progress import ProgressEvent
from tlcore_heads.mlp import WITHOUT_CHOICE, PerceptronHead, _Perceptron
from tlcore_heads.options import PerceptronOptions


def test_it_stops_early_and_learns_again_for_the_best_epoch() -> None:
    data = digits(0, 200)
    noisy = HeadData(features=data.features, labels=np.random.default_rng(0).permutation(data.labels))
    options = PerceptronOptions(hidden=64, patience=3, epochs=60)
    record = PerceptronHead(options).fit(noisy, digits(200, 400), 10).record
    losses = record["early_stopping_log_loss"]
    assert len(losses) < 60
    assert record["epochs"] == int(np.argmin(losses)) + 1 == len(losses) - 3


def test_validation_logits_are_those_of_the_best_epoch() -> None:
    validation = digits(200, 400)
    fit = PerceptronHead(PerceptronOptions(hidden=32, epochs=20)).fit(digits(0, 200), validation, 10)
    assert fit.validation_logits is not None
    logits = torch.tensor(fit.validation_logits)
    loss = float(torch.nn.functional.cross_entropy(logits, torch.tensor(validation.labels)))
    assert loss == pytest.approx(min(fit.record["early_stopping_log_loss"]), abs=1e-4)


def test_without_validation_images_a_fifth_of_each_class_is_watched() -> None:
    fit = PerceptronHead(PerceptronOptions(hidden=16, epochs=3)).fit(digits(0, 200), none_of(), 10)
    assert fit.record["epochs_tried"] == 3
    assert fit.validation_logits is None
    alone = HeadData(features=digits(0, 10).features, labels=np.arange(10))
    assert PerceptronHead(PerceptronOptions(hidden=16)).fit(alone, none_of(), 10).record["epochs"] == WITHOUT_CHOICE


def test_weight_decay_shrinks_weights() -> None:
    def size(decay: float) -> float:
        options = PerceptronOptions(hidden=32, epochs=10, weight_decay=decay, learning_rate=0.01)
        return float(np.square(PerceptronHead(options).fit(digits(0, 200), none_of(), 10).head.tensors()["weight"]).sum())

    assert size(10.0) < 0.8 * size(0.0)


def test_dropout_leaves_out_its_share_and_keeps_the_mean() -> None:
    network = _Perceptron(4, 20_000, 1, 0.25, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.hidden_bias.fill_(1.0)
        network.hidden_weight.zero_()
        network.weight.fill_(1 / 20_000)
        answers = torch.stack([network(torch.zeros(1, 4)) for _ in range(20)])
    assert float(answers.mean()) == pytest.approx(1.0, abs=0.01)
    assert 0 < float(answers.std()) < 0.02


def test_no_random_number_of_others_is_drawn() -> None:
    state = torch.get_rng_state()
    PerceptronHead(PerceptronOptions(hidden=8, epochs=2)).fit(digits(0, 60), none_of(), 10)
    assert torch.equal(state, torch.get_rng_state())


def test_progress_ends_where_it_said() -> None:
    events: list[ProgressEvent] = []
    PerceptronHead(PerceptronOptions(hidden=8, epochs=4)).fit(digits(0, 60), digits(60, 90), 10, progress=events.append)
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert events[-1].done == events[-1].total == 8
