"""Robust accuracy: known on a bundle, bounded, honest about what was measured."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_shapes
from tlcore import Dataset, Registry, TrainResult
from tlcore.attacker import Attacker, AttackRequest
from tlcore.errors import DatasetError, OptionError, PluginError, TlcoreError, VisualizationError
from tlcore.progress import ProgressEvent
from tlcore.robustness import WORST, RobustnessOptions, measure_robustness
from tlcore.robustness.files import save_robustness
from tlcore.robustness.plot import plot_robustness
from tlcore.subject import bundle_subject
from tlcore_cli.command import Settings
from tlcore_cli.main import tl
from tlcore_visualizers.adversarial.visualizer import Adversarial

FAST = {"steps": 4}


@pytest.fixture(scope="module")
def others(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Shapes the bundle was not trained on."""
    from tests.conftest import draw_shape

    root = write_shapes(tmp_path_factory.mktemp("others") / "shapes", per_class=0)
    for shape in ("bar", "circle", "square"):
        for seed in range(100, 107):
            draw_shape(shape, seed).save(root / shape / f"{seed}.png")
    return registry.dataset(str(root))


def measure(trained: TrainResult, dataset: Dataset, registry: Registry, **options: Any) -> Any:
    asked = {"attacks": ("fgsm", "pgd"), "attack_options": FAST, "epsilons": (1 / 255, 24 / 255), **options}
    progress = asked.pop("progress", None)
    more = {"progress": progress} if progress else {}
    return measure_robustness(trained.bundle, dataset, RobustnessOptions(**asked), registry=registry, **more)


def test_accuracy_falls_with_epsilon_and_the_worst_is_the_worst(
    trained: TrainResult, others: Dataset, registry: Registry
) -> None:
    measured = measure(trained, others, registry)
    value = {(point.attack, point.epsilon): point.accuracy.correct for point in measured.points}
    for attack in ("fgsm", "pgd", WORST):
        assert measured.clean.correct >= value[attack, 1 / 255] >= value[attack, 24 / 255]
    for epsilon in (1 / 255, 24 / 255):
        assert value[WORST, epsilon] <= min(value["fgsm", epsilon], value["pgd", epsilon])
    assert value["pgd", 24 / 255] < measured.clean.correct
    assert measured.images == 21 and measured.ended == "" and measured.seen == 0
    assert all(point.accuracy.low <= point.accuracy.value <= point.accuracy.high for point in measured.points)
    assert measured.to_dict() == json.loads(json.dumps(measured.to_dict()))


def test_one_seed_one_result(trained: TrainResult, others: Dataset, registry: Registry) -> None:
    first, second = (measure(trained, others, registry, images=8, seed=4) for _ in range(2))
    assert first.points == second.points and first.images == 8


def test_what_was_trained_on_is_passed_over(trained: TrainResult, shapes: Path, registry: Registry) -> None:
    measured = measure(trained, registry.dataset(str(shapes)), registry, attacks=("fgsm",), epsilons=(1 / 255,))
    assert measured.seen + measured.images == 36 and measured.seen > 20


def test_ends_in_time_with_whole_batches(
    trained: TrainResult, others: Dataset, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _clock()
    monkeypatch.setattr("tlcore.robustness.run.time.monotonic", lambda: next(clock))
    measured = measure(trained, others, registry, minutes=0.1)
    assert (measured.images, measured.planned, measured.ended) == (16, 21, "time")


def _clock() -> Iterator[float]:
    """The first batch is asked four times for the time; a second passes each."""
    yield from (0.0, 1.0, 2.0, 3.0, 4.0)
    while True:
        yield 100.0


def test_too_little_time_is_told(trained: TrainResult, others: Dataset, registry: Registry) -> None:
    with pytest.raises(DatasetError, match="more time"):
        measure(trained, others, registry, minutes=1e-9)


def test_interrupted_it_keeps_what_is_measured(trained: TrainResult, others: Dataset, registry: Registry) -> None:
    def interrupt(event: ProgressEvent) -> None:
        if event.done > 16:
            raise KeyboardInterrupt

    measured = measure(trained, others, registry, progress=interrupt)
    assert (measured.images, measured.ended) == (16, "interrupted")


def test_interrupted_it_saves_what_is_measured_and_says_so(
    trained: TrainResult, others: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[AttackRequest] = []

    def unmoved_then_interrupted(self: Attacker, subject: Any, request: AttackRequest) -> np.ndarray:
        asked.append(request)
        if len(asked) > 1:
            raise KeyboardInterrupt
        return request.images

    monkeypatch.setattr(Adversarial, "perturb", unmoved_then_interrupted)
    monkeypatch.setattr("tlcore.machine.memory.keep_freed", lambda: None)  # it is for processes of our own
    out = tmp_path / "out"
    command = [
        "robustness",
        str(trained.bundle.path),
        str(others_of(others)),
        "--attack",
        "pgd",
        "--epsilon",
        "1/255",
        "--quiet",
    ]
    assert tl.main([*command, "--out", str(out)], prog_name="tl", standalone_mode=False, obj=Settings()) == 130
    assert json.loads((out / "robustness.json").read_text())["ended"] == "interrupted"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def others_of(dataset: Dataset) -> Path:
    """Return the folder that a dataset of files was read from."""
    return Path(str(dataset.samples[0].image.path)).parents[1]  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Wrong(Attacker):
    """Returns what it is told to, whatever the bound."""

    returned: Any
    norm: Any = "linf"

    def perturb(self, subject: Any, request: AttackRequest) -> Any:
        return self.returned(request.images)


@pytest.mark.parametrize(
    "returned, told",
    [
        (lambda images: np.where(images < 250, images + 5, images).astype(np.uint8), "left its bound: a change of 5.00/255"),
        (lambda images: images[:1], "must return uint8"), (lambda images: images.astype(np.float32), "got float32"), (lambda _: None, "got NoneType"),
    ],
    ids=["too far", "too few", "floats", "nothing"],
)  # fmt: skip
def test_an_attacker_is_held_to_its_contract(returned: Any, told: str, trained: TrainResult, unchecked_types: None) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with pytest.raises(PluginError, match=told):
        asked = AttackRequest(images=images, labels=np.array([0, 1]), epsilon=4 / 255)
        _Wrong(returned).attack(bundle_subject(trained.bundle), asked)


def test_a_network_in_training_mode_is_not_attacked(trained: TrainResult, registry: Registry) -> None:
    subject = bundle_subject(trained.bundle)
    subject.network.train()
    attacker = registry.visualizer("adversarial:pgd")
    assert isinstance(attacker, Attacker)
    with pytest.raises(OptionError, match="the network is in training mode"):
        attacker.attack(subject, AttackRequest(images=np.zeros((1, 32, 32, 3), np.uint8), labels=np.array([0]), epsilon=0.1))
    assert subject.network.training


@pytest.mark.parametrize(
    "options, told",
    [
        ({"attacks": ()}, "at least one attack"), ({"epsilons": ()}, "one epsilon"), ({"epsilons": (0.1, 0.05)}, "ascend"),
        ({"epsilons": (0.0,)}, "above 0"), ({"attacks": ("deepfool",)}, "no epsilon to measure"), ({"attacks": ("pdg",)}, "did you mean"),
        ({"images": 0}, "at least 1 image"), ({"minutes": -1.0}, "more than 0 minutes"), ({"split": "tset"}, "has no split"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_measured_is_told(
    options: dict[str, Any], told: str, trained: TrainResult, others: Dataset, registry: Registry
) -> None:
    with pytest.raises(TlcoreError, match=told) as caught:
        measure(trained, others, registry, **options)
    assert "\n" not in str(caught.value)


def test_plot_and_numbers_are_written_at_once(
    trained: TrainResult, others: Dataset, registry: Registry, tmp_path: Path
) -> None:
    measured = measure(trained, others, registry, images=4)
    plot, record = save_robustness(measured, tmp_path / "out")
    assert plot.read_bytes()[:4] == b"\x89PNG" and json.loads(record.read_text())["images"] == 4
    with pytest.raises(VisualizationError, match="--overwrite"):
        save_robustness(measured, tmp_path / "out")
    save_robustness(measured, tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(VisualizationError, match="other things"):
        save_robustness(measured, tmp_path / "out", overwrite=True)


def is_drawn(plot: np.ndarray, level: float, percent: float, levels: float) -> bool:
    """Tell whether a plot has a marker of the first curve at (level, percent); `levels` is the largest it shows.

    The axes reach 5 % beyond the curve at the sides, and from -3 to 103 %; their frame is what is darkest all along.
    """
    dark = plot.max(axis=2) < 90
    rows, columns = (np.flatnonzero(dark.mean(axis=side) > 0.6) for side in (1, 0))
    x = columns[0] + (level + 0.05 * levels) / (1.1 * levels) * (columns[-1] - columns[0])
    y = rows[-1] - (percent + 3) / 106 * (rows[-1] - rows[0])
    around = plot[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].astype(int)
    return bool((around[..., 2] - around[..., 0] > 80).all())


def test_the_plot_shows_the_numbers(trained: TrainResult, others: Dataset, registry: Registry) -> None:
    measured = measure(trained, others, registry, attacks=("pgd",))
    plot = np.asarray(Image.open(io.BytesIO(plot_robustness(measured))).convert("RGB"))
    points = [
        (0.0, measured.clean),
        *((255 * each.epsilon, each.accuracy) for each in measured.points if each.attack == "pgd"),
    ]
    assert len({share.value for _, share in points}) > 1
    for level, share in points:
        assert is_drawn(plot, level, 100 * share.value, 24)
        elsewhere = 100 - 100 * share.value if abs(share.value - 0.5) > 0.3 else 100
        assert not is_drawn(plot, level, elsewhere, 24)


def test_norms_are_not_mixed(trained: TrainResult, others: Dataset, registry: Registry) -> None:
    measured = measure(
        trained, others, registry, attack_options={"norm": "l2", "steps": 3}, attacks=("pgd",), epsilons=(0.5, 4.0), images=6
    )
    assert measured.norm == "l2"
    with pytest.raises(OptionError):
        measure(trained, others, registry, attack_options={"norm": "l3"})
