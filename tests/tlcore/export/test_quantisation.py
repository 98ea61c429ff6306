"""What int8 changed, in numbers."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from scipy.stats import binomtest

from tlcore.export import quantisation
from tlcore.export.quantisation import compare


def test_compares_on_the_same_images() -> None:
    labels = [0] * 100
    before = [0] * 90 + [1] * 10
    after = [0] * 86 + [1] * 4 + [0] * 2 + [1] * 8
    change = compare(before, after, labels, 2.0)
    assert (change.before, change.after, change.agreement) == (0.9, 0.88, 0.94)
    assert change.low < -0.02 < change.high
    assert "top-1 90.0 -> 88.0 % (-2.0 points" in str(change)


def test_equal_answers_still_have_an_interval() -> None:
    change = compare([0, 1, 2], [0, 1, 2], [0, 1, 1], 1.0)
    assert change.agreement == 1.0
    assert change.low < 0 < change.high


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_covers_the_true_change_about_as_often_as_it_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    covered, repeats, truth = 0, 400, -0.02
    for _ in range(repeats):
        kind = random.choice(4, size=300, p=[0.90, 0.03, 0.01, 0.06])  # both right, lost, gained, both wrong
        before, after = np.isin(kind, [0, 1]), np.isin(kind, [0, 2])
        change = compare((~before).astype(int).tolist(), (~after).astype(int).tolist(), [0] * 300, 1.0)
        covered += change.low <= truth <= change.high
    assert binomtest(covered, repeats, 0.95).pvalue > 1e-3


def test_the_first_layer_and_all_after_the_features_stay_float(exported: Path) -> None:
    model = onnx.load_model(exported)
    names = {node.name: node for node in model.graph.node}
    kept = [names[name].op_type for name in quantisation._excluded(model, quantisation.RECIPES[0])]
    assert kept.count("Conv") == 1 and "Gemm" in kept and "Softmax" in kept and "MatMul" in kept
    assert quantisation._excluded(model, quantisation.RECIPES[2]).count("Conv") == 0
    quantised = [node for node in model.graph.node if node.op_type == "Conv" and node.name not in kept]
    assert len(quantised) > 5
