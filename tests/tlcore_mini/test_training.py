"""The parts of the training script that can be wrong silently: exclusion, views, schedule, checkpoint, statistics."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

pytest.importorskip("timm")
pytest.importorskip("sklearn")

import torch

from tlcore import Registry
from tlcore.features.pyramid import choose_pyramid
from tlcore_mini.training import checkpoint, train
from tlcore_mini.training.batches import Batches, BatchSettings
from tlcore_mini.training.duplicates import find_exclusions
from tlcore_mini.training.measure import mcnemar, wilson
from tlcore_mini.training.photos import Photo, decode
from tlcore_mini.training.student import LAYOUT_SIZE, LossSettings, Student, layout, losses
from tlcore_mini.training.train import TrainSettings
from tlcore_mini.training.views import PET_VIEWS, render


def photo(seed: int, *, mirrored: bool = False, size: tuple[int, int] = (120, 90), quality: int | None = None) -> Photo:
    """A smooth random picture."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    if mirrored:
        image = ImageOps.mirror(image)
    stream = io.BytesIO()
    image.save(stream, "PNG") if quality is None else image.save(stream, "JPEG", quality=quality)
    return Photo(identifier=str(seed), source="pets", encoded=stream.getvalue())


@pytest.mark.parametrize(
    "disguise",
    [{}, {"quality": 40}, {"size": (300, 220)}, {"mirrored": True}, {"mirrored": True, "quality": 50, "size": (64, 64)}],
    ids=["same-file", "recompressed", "resized", "mirrored", "all"],
)
def test_a_disguised_copy_is_excluded(disguise: dict) -> None:
    training = [photo(seed) for seed in range(1, 6)]
    measuring = [photo(seed) for seed in range(10, 15)] + [photo(3, **disguise)]
    assert [exclusion.training for exclusion in find_exclusions(training, measuring)] == ["3"]


def test_different_photos_stay() -> None:
    assert find_exclusions([photo(seed) for seed in range(20)], [photo(seed) for seed in range(50, 70)]) == []


def test_views_are_the_same_each_time_and_differ_among_themselves() -> None:
    first, second = render(photo(1), 5, PET_VIEWS), render(photo(1), 5, PET_VIEWS)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[0].shape == (24, 144, 144, 3) and first[1].shape == (24, 224, 224, 3)
    assert len({view.tobytes() for view in first[0]}) == 24


def test_view_0_is_the_centred_square() -> None:
    image = decode(photo(1))
    expected = image.resize((224, 224), Image.Resampling.BICUBIC, box=(15, 0, 105, 90))
    np.testing.assert_array_equal(render(photo(1), 0, PET_VIEWS)[1][0], np.asarray(expected))


def test_layout_tells_where_edges_are_and_which_way_they_go() -> None:
    def picture(rows: slice, columns: slice) -> torch.Tensor:
        image = torch.zeros(1, 3, 96, 96)
        image[:, :, rows, columns] = 1.0
        return image

    everywhere = slice(None)
    upright, level = layout(picture(everywhere, slice(0, 40))), layout(picture(slice(0, 40), everywhere))
    assert upright.shape == (1, LAYOUT_SIZE)
    directions = upright[0, :324].view(9, 6, 6)
    assert int(directions.sum(dim=(1, 2)).argmax()) == 0 and int(directions[0].sum(dim=0).argmax()) == 2
    directions = level[0, :324].view(9, 6, 6)
    assert int(directions.sum(dim=(1, 2)).argmax()) == 4 and int(directions[4].sum(dim=1).argmax()) == 2
    torch.testing.assert_close(layout(picture(everywhere, slice(0, 40)) * 0.5), upright, atol=0.1, rtol=0)


def test_schedule() -> None:
    settings = TrainSettings(phases=((80, 10), (128, 5)), warmup_steps=2, decay_steps=5, learning_rate=1.0)
    assert [settings.image_size(step) for step in (0, 9, 10, 14)] == [80, 80, 128, 128]
    assert [settings.rate(step) for step in (0, 1, 9, 10, 11, 14)] == [0.5, 1.0, 1.0, 1.0, 0.8, 0.2]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of 8 views a source, noise with made-up answers of the teachers."""
    random = np.random.default_rng(0)
    for source in ("tiny", "pets", "samples"):
        folder = tmp_path / "cache" / source
        folder.mkdir(parents=True)
        np.save(folder / "images.npy", random.integers(0, 256, (8, 40, 40, 3), dtype=np.uint8))
        np.save(folder / "features.npy", random.normal(size=(8, 12)).astype(np.float16))
        np.save(folder / "quarters.npy", random.normal(size=(8, 2, 2, 12)).astype(np.float16))
        np.save(folder / "logits.npy", random.normal(size=(8, 1000)).astype(np.float16))
        label, species = (-1, 1) if source == "pets" else (7, -1)
        np.save(folder / "labels.npy", np.array([(label, species)] * 8))
    return tmp_path / "cache"


def test_quarters_turn_with_a_mirrored_picture(tmp_path: Path) -> None:
    bright_left = np.zeros((8, 40, 40, 3), dtype=np.uint8)
    bright_left[:, :, :20] = 255
    quarters = np.stack([np.array([[[1.0, 2.0], [0.0, 0.0]]] * 2, dtype=np.float16) + row for row in range(8)])
    for source in ("tiny", "pets", "samples"):
        folder = tmp_path / source
        folder.mkdir()
        np.save(folder / "images.npy", bright_left)
        np.save(folder / "quarters.npy", quarters)
        np.save(folder / "features.npy", quarters.mean(axis=(1, 2)))
        np.save(folder / "logits.npy", np.zeros((8, 1000), dtype=np.float16))
        np.save(folder / "labels.npy", np.full((8, 2), -1))
    batch = Batches(tmp_path, BatchSettings(tiny=8, pets=8, samples=8), seed=1, worker=0).batch(step=0, image_size=32)
    left_is_bright = batch["images"][:, 0, 16, 2] > batch["images"][:, 0, 16, -2]
    left_says_more = batch["quarters"][:, 0, 0, 0] > batch["quarters"][:, 0, 1, 0]
    assert torch.equal(left_is_bright, left_says_more)
    assert 0 < left_is_bright.sum() < 24, "some are mirrored and some are not"


class NoProbe:
    """Measures nothing, so that a run needs no photos."""

    def __init__(self, data_folder: Path) -> None:
        pass

    def measure(self, network: object) -> dict[str, float]:
        return {}


def test_a_resumed_run_ends_bit_for_bit_where_a_whole_one_does(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "Probe", NoProbe)

    def run(folder: str, steps: int, seed: int = 7, start: Sequence[Path] = ()) -> bytes:
        settings = TrainSettings(
            phases=((32, steps),), decay_steps=1, warmup_steps=1, seed=seed, workers=1, batch=BatchSettings(tiny=2, pets=2, samples=2)
        )  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        train.train_worker(0, tmp_path, cache, tmp_path / folder, settings, start, str(tmp_path / f"{folder}-{steps}"))
        return (tmp_path / folder / "averaged.safetensors").read_bytes()

    whole = run("whole", 4)
    halfway = run("parts", 2)
    assert halfway != whole
    assert run("parts", 4) == whole
    assert run("again", 4) == whole
    assert run("other-seed", 4, seed=8) != whole
    assert run("second-round", 2, start=[tmp_path / "whole"]) not in (whole, halfway)


def test_checkpoint_comes_back_equal(tmp_path: Path) -> None:
    def make() -> tuple[torch.nn.Module, torch.nn.Module, torch.optim.Optimizer]:
        network = torch.nn.Linear(3, 2)
        return network, torch.nn.Linear(3, 2), torch.optim.AdamW(network.parameters())

    one, another = make(), make()
    one[0](torch.ones(1, 3)).sum().backward()
    one[2].step()
    assert checkpoint.load(tmp_path, *another) == checkpoint.Progress()
    progress = checkpoint.Progress(step=7, seconds=1.5, curve=[{"step": 7.0}])
    checkpoint.save(tmp_path, progress, *one)
    assert checkpoint.load(tmp_path, *another) == progress
    for left, right in zip(one, another, strict=True):
        torch.testing.assert_close(left.state_dict(), right.state_dict(), rtol=0, atol=0)


def test_weights_of_runs_are_averaged_and_counts_are_not() -> None:
    first, second = (
        {"weight": torch.full((2, 2), value), "num_batches_tracked": torch.tensor(count)}
        for value, count in ((1.0, 3), (4.0, 9))
    )
    averaged = checkpoint.average([first, second])
    assert torch.equal(averaged["weight"], torch.full((2, 2), 2.5))
    assert averaged["num_batches_tracked"] == 9
    assert torch.equal(checkpoint.average([first])["weight"], first["weight"])


def test_wilson_and_mcnemar_against_known_values() -> None:
    hits = np.arange(100) < 90
    assert wilson(hits) == pytest.approx((0.9, 0.8256, 0.9448), abs=1e-4)
    # 10 against 2 discordant answers: two-sided exact binomial, 2 * sum(C(12, k), k <= 2) / 2**12
    ours, theirs = np.arange(40) < 30, (np.arange(40) < 20) | (np.arange(40) >= 38)
    assert mcnemar(ours, theirs) == pytest.approx(2 * (1 + 12 + 66) / 4096)
    assert mcnemar(hits, hits) == 1.0


def test_a_bar_is_met_only_above_every_rival() -> None:
    pytest.importorskip("skimage")
    from tlcore_mini.training.evaluate import BARS, HOGS, PAIRED, PYRAMIDS, figures

    half, most = np.arange(200) < 100, np.arange(200) < 190
    everything = (*BARS, *PAIRED)
    found = {name: dict.fromkeys(everything, half) for name in ("untrained", *PYRAMIDS, *HOGS)}
    found["mini"] = dict.fromkeys(everything, most) | {"digits": np.arange(200) < 193}
    found["mini-pyramid"] = dict.fromkeys(everything, np.arange(200) < 199)
    bars = figures(found)["bars"]
    assert isinstance(bars, dict)
    assert {task for task, bar in bars.items() if not bar["met"]} == {"digits"}
    found["hog-16-square"] = {**found["hog-16-square"], "clothing": np.arange(200) < 187}
    bars = figures(found)["bars"]
    assert isinstance(bars, dict)
    assert {task for task, bar in bars.items() if not bar["met"]} == {"digits", "clothing, mini"}


def test_the_measured_pyramid_is_the_one_that_training_takes(registry: Registry) -> None:
    pytest.importorskip("skimage")
    from tlcore_mini.training.evaluate import PYRAMID

    assert choose_pyramid(registry.backbone("mini"), 3) == PYRAMID


def test_quarters_are_told_where_they_are(cache: Path) -> None:
    batch = Batches(cache, BatchSettings(tiny=2, pets=2, samples=2), seed=1, worker=0).batch(step=0, image_size=64)
    student = Student(12)
    said = student(batch["images"].float(), LossSettings(places=1.0))
    assert said["places"].shape == batch["quarters"].shape
    torch.testing.assert_close(said["places"].mean(dim=(1, 2)), said["features"])
    assert {"quarters", "places"}.isdisjoint(losses(student, batch, LossSettings()))
    terms = losses(student, batch, LossSettings(quarters=1.0, places=2.0))
    assert {"quarters", "places"} <= terms.keys() and all(term > 0 for term in terms.values())
