"""The query-only attack, on answers alone and on an exported file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import draw_shape
from tlcore.exported.classifier import Classifier
from tlcore.progress import ProgressEvent
from tlcore_visualizers.adversarial.square import SquareAttack, SquareResult


@pytest.fixture(scope="module")
def asked(exported: Path) -> tuple[Classifier, np.ndarray, np.ndarray]:
    classifier = Classifier(exported, threads=1)
    pixels = np.stack(
        [classifier.pixels(draw_shape(shape, seed)) for seed in range(2) for shape in ("bar", "circle", "square")]
    )
    return classifier, pixels, classifier.run(pixels, ("logits",))["logits"].argmax(axis=1)


def run(asked: tuple[Classifier, np.ndarray, np.ndarray], attack: SquareAttack, **others: object) -> SquareResult:
    classifier, pixels, labels = asked
    return attack.run(lambda tried: classifier.run(tried, ("logits",))["logits"], pixels, labels, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize("targeted", [False, True], ids=["away", "toward"])
def test_fools_an_exported_file_within_epsilon(targeted: bool, asked: tuple[Classifier, np.ndarray, np.ndarray]) -> None:
    classifier, pixels, labels = asked
    wanted = (labels + 1) % 3 if targeted else labels
    found = run((classifier, pixels, wanted), SquareAttack(levels=60, queries=120), targeted=targeted)
    assert int(np.abs(found.images.astype(int) - pixels).max()) <= 60
    named = classifier.run(found.images, ("logits",))["logits"].argmax(axis=1)
    assert np.array_equal((named == wanted) if targeted else (named != wanted), found.margin < 0)
    assert (found.margin < 0).sum() >= 2


def test_the_margin_never_grows_and_one_seed_gives_one_result(asked: tuple[Classifier, np.ndarray, np.ndarray]) -> None:
    short, long = (run(asked, SquareAttack(levels=4, queries=queries), seed=1) for queries in (5, 20))
    again = run(asked, SquareAttack(levels=4, queries=20), seed=1)
    assert (long.margin <= short.margin).all() or (long.queries >= short.queries).all()
    assert np.array_equal(long.images, again.images)


def test_only_what_is_allowed_changes(asked: tuple[Classifier, np.ndarray, np.ndarray]) -> None:
    mask = np.zeros(asked[1].shape[:3], bool)
    mask[:, :8] = True
    found = run(asked, SquareAttack(levels=40, queries=20), mask=mask)
    assert np.array_equal(found.images[:, 8:], asked[1][:, 8:]) and not np.array_equal(found.images, asked[1])


def test_interrupted_keeps_the_best_so_far(asked: tuple[Classifier, np.ndarray, np.ndarray]) -> None:
    kept = []

    def interrupt(event: ProgressEvent) -> None:
        if event.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(asked, SquareAttack(levels=4, queries=20), progress=interrupt, keep=kept.append)
    assert kept[0]().queries.max() == 4


def test_needs_no_torch() -> None:
    script = "import sys, tlcore_visualizers.adversarial.square; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_saved_picture_is_what_was_asked_about(asked: tuple[Classifier, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    found = run(asked, SquareAttack(levels=40, queries=60))
    for index, pixels in enumerate(found.images):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        assert np.array_equal(np.asarray(Image.open(tmp_path / f"{index}.png")), pixels)
