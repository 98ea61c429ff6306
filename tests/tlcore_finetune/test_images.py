"""The order of training images, their parts and their augmentation."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tlcore_finetune.conftest import shape_samples
from tlcore import Preprocess
from tlcore.dataset import Sample
from tlcore.errors import FineTuneError, ImageError
from tlcore.images import BytesImage, decode_image
from tlcore_finetune.images import TrainingImages, batch_size, epoch_batches, load, normalised_by, part_of
from tlcore_finetune.options import FineTuneOptions

PREPROCESS = Preprocess(image_size=(32, 48))


def test_an_epoch_shows_every_image_and_fills_the_last_batch() -> None:
    batches = epoch_batches(10, 4, seed=0, epoch=1)
    flat = [index for batch in batches for epoch, index in batch]
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert set(flat[:10]) == set(range(10)) and flat[10:] == flat[:2]
    assert batches != epoch_batches(10, 4, seed=0, epoch=2)
    assert [[index for _, index in b] for b in batches] != [[i for _, i in b] for b in epoch_batches(10, 4, seed=1, epoch=1)]


def test_processes_share_a_batch_without_losing_or_repeating() -> None:
    whole = epoch_batches(20, 8, seed=0, epoch=0)
    shares = [epoch_batches(20, 8, seed=0, epoch=0, process=process, processes=2) for process in (0, 1)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert sorted(batch) == sorted(part for own in parts for part in own)
        assert [len(part) for part in parts] == [4, 4]


@pytest.mark.parametrize("length", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_are_a_division_that_keeps_mixing_pairs(length: int, parts: int) -> None:
    divided = [part_of(range(length), part, parts) for part in range(parts)]
    assert sorted(index for part in divided for index in part) == list(range(length))
    for part in divided:
        assert all(part[-1 - place] == length - 1 - index for place, index in enumerate(part))


@pytest.mark.parametrize(
    ("images", "asked", "processes", "expected"),
    [(10, None, 1, 8), (600, None, 1, 32), (100_000, None, 1, 64), (600, None, 3, 36), (600, 10, 1, 10)],
)
def test_automatic_batch_size(images: int, asked: int | None, processes: int, expected: int) -> None:
    assert batch_size(images, asked, processes) == expected


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    with pytest.raises(FineTuneError, match="multiple of 8 for 4"):
        batch_size(100, 12, 4)


def test_without_augmentation_an_input_is_the_preprocess_record_alone() -> None:
    plain = FineTuneOptions(crop=1.0, flip=0.0)
    samples = shape_samples(0, 2)
    inputs, label = TrainingImages(samples, PREPROCESS, plain, seed=0)[(0, 3)]
    pixels = PREPROCESS.pixels(decode_image(samples[3].image.read()))
    np.testing.assert_allclose(inputs.numpy(), PREPROCESS.normalise(pixels[None])[0], atol=1e-6)
    assert label == samples[3].label


def test_augmentation_depends_on_seed_epoch_and_image_alone() -> None:
    options = FineTuneOptions(rand_augment=9, random_erasing=0.5, colour_jitter=0.3)
    images = TrainingImages(shape_samples(0, 2), PREPROCESS, options, seed=0)
    first = images[(0, 1)][0]
    images[(4, 2)]
    assert (images[(0, 1)][0] == first).all()
    assert (images[(1, 1)][0] != first).any()
    assert (TrainingImages(shape_samples(0, 2), PREPROCESS, options, seed=1)[(0, 1)][0] != first).any()
    assert first.shape == (3, 32, 48)


def test_normalisation_by_the_dataset_centres_and_scales_it() -> None:
    samples = shape_samples(0, 6)
    own = normalised_by(samples, PREPROCESS, FineTuneOptions(normalisation="dataset"))
    inputs = np.stack([own.normalise(own.pixels(decode_image(s.image.read()))[None])[0] for s in samples])
    np.testing.assert_allclose(inputs.mean(axis=(0, 2, 3)), 0, atol=0.01)
    np.testing.assert_allclose(inputs.std(axis=(0, 2, 3)), 1, atol=0.01)
    assert replace(own, mean=PREPROCESS.mean, std=PREPROCESS.std) == PREPROCESS
    assert normalised_by(samples, PREPROCESS, FineTuneOptions()) == PREPROCESS


def test_rand_augment_never_asks_for_what_pillow_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise on a magnitude of 9 made it 10 now and then, of which no bit of a colour is left."""
    monkeypatch.setattr("random.gauss", lambda mean, deviation: mean + 4 * deviation)
    images = TrainingImages(shape_samples(0, 1), PREPROCESS, FineTuneOptions(rand_augment=9), 0)
    assert all(torch.isfinite(images[epoch, 0][0]).all() for epoch in range(60))


def test_readers_end_although_somebody_keeps_the_error_that_ended_them() -> None:
    broken = Sample(image=BytesImage(b"no image"), name="broken", label=0)
    images = TrainingImages((*shape_samples(0, 2), broken), PREPROCESS, FineTuneOptions(), 0)
    with pytest.raises(ImageError, match="broken") as kept:
        list(load(images, [[(0, index)] for index in range(len(shape_samples(0, 2)) + 1)], 1))
    assert not multiprocessing.active_children(), kept
