from __future__ import annotations

import pytest

from tlcore.evaluation.training_curve import training_curve


def test_epochs_of_fine_tuning_are_drawn_rather_than_the_sweep_before() -> None:
    history = [
        {"epoch": 0.0, "validation_log_loss": 0.5, "validation_accuracy": 0.8},
        {"epoch": 1.0, "validation_log_loss": 0.3},
    ]
    head = {"validation_log_loss": {"1": 0.5}, "finetune": {"history": history, "best_epoch": 1}}
    curve = training_curve({"head": head})
    assert curve is not None and curve.chosen == 1.0 and not curve.logarithmic
    assert curve.lines == (("validation log loss", (0.0, 1.0), (0.5, 0.3)), ("validation accuracy", (0.0,), (0.8,)))


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        {"head": "linear"},
        {"head": {"validation_log_loss": {}}},
        {"head": {"validation_log_loss": {"strong": 1}}},
        {"head": {"validation_log_loss": {"-1": 1}}},
        {"head": {"finetune": {"history": "long"}}},
        {"head": {"finetune": {"history": [1, 2]}}},
    ],
    ids=["nothing", "text", "empty", "no number", "below 0", "history of text", "history of numbers"],
)
def test_what_is_no_curve_is_not_drawn(provenance: dict[str, object]) -> None:
    assert training_curve(provenance) is None
