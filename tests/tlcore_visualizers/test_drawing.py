"""The parts a drawing is made of, by known values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tlcore import Registry, VisualizationRequest
from tlcore.subject import make_subject
from tlcore.testing.visualizers import small_subject
from tlcore_visualizers.descent import Descent
from tlcore_visualizers.drawing import dropping
from tlcore_visualizers.ideal_options import IdealOptions
from tlcore_visualizers.objective import ClassObjective, likeness, read_direction
from tlcore_visualizers.parameterisation import Fourier, MagnitudeConstrained, Pixels
from tlcore_visualizers.pixel_network import PixelNetwork, to_pixels, to_tensor
from tlcore_visualizers.recipe import PRESETS, recipe_of
from tlcore_visualizers.spectrum import mean_magnitude, natural_spectrum, radial_spectrum, spectrum_distance
from tlcore_visualizers.variation import total_variation
from tlcore_visualizers.views import ViewRange, Views, blurred


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pixels_of_a_picture_and_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    assert np.array_equal(to_pixels(to_tensor(pixels)), pixels)
    assert to_pixels(torch.tensor([-1.0, 0.5, 2.0]).reshape(1, 3, 1, 1)).ravel().tolist() == [0, 128, 255]


def test_the_pixel_network_normalises_as_preprocessing_does() -> None:
    subject = small_subject()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = torch.softmax(subject.network(torch.from_numpy(subject.preprocess.normalise(pixels))), dim=1).numpy()
    np.testing.assert_allclose(PixelNetwork(subject).probabilities(pixels), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["adam", "momentum", "sgd"])
def test_descent_steps_are_torch_s_own(kind: str) -> None:
    start = torch.tensor([1.0, -2.0, 3.0])
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    descent = Descent([ours], kind)  # type: ignore[arg-type]
    for step in range(5):
        descent.step(torch.autograd.grad((ours**4).sum() * (step + 1), [ours]), 0.01)
    moments = [torch.zeros(3), torch.zeros(3)]
    for step in range(1, 6):
        (gradient,) = torch.autograd.grad((theirs**4).sum() * step, [theirs])
        moments = [0.9 * moments[0] + (0.1 if kind == "adam" else 1.0) * gradient, 0.999 * moments[1] + 0.001 * gradient**2]
        change = {
            "sgd": gradient,
            "momentum": moments[0],
            "adam": moments[0] / (1 - 0.9**step) / ((moments[1] / (1 - 0.999**step)).sqrt() + 1e-8),
        }[kind]
        with torch.no_grad():
            theirs -= 0.01 * change
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (6, 11)], ids=str)
def test_waves_make_images_of_any_size(size: tuple[int, int]) -> None:
    fourier = Fourier(2, size, generator())
    images = fourier.images()
    assert images.shape == (2, 3, *size)
    assert images.min() > 0 and images.max() < 1
    assert torch.autograd.grad(images[0].sum(), fourier.parameters)[0][0].abs().max() > 0
    assert torch.equal(Fourier(2, size, generator()).images(), images)
    assert not torch.equal(Fourier(2, size, generator(1)).images(), images)


def test_phases_leave_the_strength_of_waves() -> None:
    photographs = np.random.default_rng(0).random((3, 16, 16, 3), dtype=np.float32)
    magnitude, colour = mean_magnitude(photographs)
    maco = MagnitudeConstrained(1, (16, 16), generator(), 0.05 * magnitude, colour)
    drawn = torch.fft.rfft2(maco.images()[0] - maco.images()[0].mean(dim=(1, 2), keepdim=True), norm="ortho").abs()
    inside = slice(1, 7)  # the mean and the highest waves are real numbers, and the sigmoid bends a little
    torch.testing.assert_close(drawn[:, inside, inside], 0.05 * magnitude[:, inside, inside], rtol=0.35, atol=2e-3)
    assert maco.images().detach().mean(dim=(0, 2, 3)).numpy() == pytest.approx(colour.numpy(), abs=0.02)


def test_pixels_stay_in_their_range() -> None:
    pixels = Pixels(1, (4, 4), generator())
    with torch.no_grad():
        pixels.parameters[0].mul_(10)
    pixels.after_step()
    assert pixels.images().max() == 1


def ramp(size: int = 32) -> torch.Tensor:
    return torch.linspace(0, 1, size).expand(1, 3, size, size).contiguous()


def test_views_that_do_not_move_are_the_image() -> None:
    image = ramp()
    assert torch.equal(Views(ViewRange(), generator())(image, (32, 32)), image)
    middle = Views(ViewRange(), generator())(image, (16, 16))
    torch.testing.assert_close(middle, image[:, :, 8:24, 8:24])


@pytest.mark.parametrize(
    ("ranges", "differs"),
    [
        (ViewRange(scale=(2.0, 2.0)), lambda view: view[0, 0, 8, -1] - view[0, 0, 8, 0]),
        (ViewRange(rotation=1e-3, scale=(2.0, 2.0)), lambda view: view[0, 0, 8, -1] - view[0, 0, 8, 0]),
    ],
    ids=["scaled", "hardly turned"],
)
def test_magnified_twice_half_the_width_is_seen(ranges: ViewRange, differs) -> None:  # type: ignore[no-untyped-def]
    view = Views(ranges, generator())(ramp(), (16, 16))
    assert float(differs(view)) == pytest.approx(15 / 31 / 2, abs=0.01)


def test_shifted_views_mirror_the_edge_and_noise_has_its_deviation() -> None:
    views = Views(ViewRange(shift=0.5), generator())(ramp(), (32, 32), 64)
    assert views.shape == (64, 3, 32, 32)
    assert (views.min() >= 0) and (views.max() <= 1)
    assert views.mean(dim=(1, 2, 3)).std() > 0.02
    noisy = Views(ViewRange(), generator())(ramp(64), (64, 64), 2, noise=0.1) - ramp(64)
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.02)
    assert not torch.equal(noisy[0], noisy[1])


def test_mirrored_views_are_the_image_or_its_mirror_image() -> None:
    views = Views(ViewRange(mirror=True), generator())(ramp(), (32, 32), 16)
    mirrored = views[:, 0, 0, 0] > 0.5
    assert 4 <= int(mirrored.sum()) <= 12
    torch.testing.assert_close(views[mirrored], ramp().flip(3).expand(int(mirrored.sum()), -1, -1, -1))
    torch.testing.assert_close(views[~mirrored], ramp().expand(int((~mirrored).sum()), -1, -1, -1))


def test_coloured_views_differ_in_contrast_and_colours() -> None:
    views = Views(ViewRange(colour=0.3), generator())(ramp(), (32, 32), 500)
    contrast = views[:, 0, 0, -1] - views[:, 0, 0, 0]
    assert float(contrast.log().std()) == pytest.approx(0.3, rel=0.1)
    assert float(contrast.log().mean()) == pytest.approx(0, abs=0.05)
    middle = views.mean(dim=(2, 3))
    assert middle.std(dim=0).tolist() == pytest.approx([0.15] * 3, rel=0.15)
    assert float(torch.corrcoef(middle.T)[0, 1]) == pytest.approx(0, abs=0.1)


def test_a_blur_keeps_the_mean_and_takes_the_contrast() -> None:
    checks = torch.zeros(1, 3, 16, 16)
    checks[..., ::2] = 1
    soft = blurred(checks, 2.0)
    assert float(soft[..., 4:-4].std()) < 0.1
    assert float(blurred(torch.full((1, 3, 8, 8), 0.3), 3.0).std()) < 1e-6
    assert blurred(checks, 0.1) is checks


def test_total_variation_of_known_images() -> None:
    assert float(total_variation(torch.ones(1, 3, 4, 4))) == 0
    assert float(total_variation(ramp(11))) == pytest.approx(0.1, rel=1e-5)


def test_the_gradient_of_total_variation_is_torch_s() -> None:
    images = torch.rand(2, 3, 6, 5, generator=generator()).requires_grad_()
    plain = images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
    (ours,), (theirs,) = (torch.autograd.grad(3 * loss, images) for loss in (total_variation(images), plain))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("count", [1, 2])
def test_views_are_where_torch_s_own_grid_has_them(count: int) -> None:
    images, ranges = (
        torch.rand(count, 3, 20, 30, generator=generator()),
        ViewRange(scale=(0.7, 1.4), rotation=30.0, shift=0.2),
    )
    images.requires_grad_()
    random = generator(7)
    scale, angle, right, below = (torch.rand(count, generator=random) for _ in range(4))
    scale, angle = torch.exp(np.log(0.7) + np.log(2.0) * scale), np.pi / 6 * (2 * angle - 1)
    across, down = 16 / 30 / scale, 12 / 20 / scale
    cosine, sine, right, below = torch.cos(angle), torch.sin(angle), 0.8 * right - 0.4, 0.8 * below - 0.4
    rows = [cosine * across, -sine * across, right * across, sine * down, cosine * down, below * down]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, 1).view(count, 2, 3), [count, 3, 12, 16], align_corners=False)
    expected = torch.nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    views = Views(ranges, generator(7))(images, (12, 16))
    torch.testing.assert_close(views, expected, atol=1e-5, rtol=1e-4)
    (ours,), (theirs,) = (torch.autograd.grad((seen**2).sum(), images) for seen in (views, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("loss", "expected"), [("logit", -2.0), ("probability", np.log(np.exp([2, 1, 0]).sum()) - 2), ("margin", np.log(np.exp([1, 0]).sum()) - 2)]
)  # fmt: skip
def test_losses_of_known_logits(loss: str, expected: float) -> None:
    objective = ClassObjective({0: 1.0}, loss)  # type: ignore[arg-type]
    assert float(objective(torch.tensor([[2.0, 1.0, 0.0]]), {})[0]) == pytest.approx(expected, rel=1e-5)


def test_likeness_of_the_same_and_of_others() -> None:
    maps = torch.rand(1, 4, 5, 5, generator=generator())
    assert float(likeness(maps.repeat(2, 1, 1, 1))) == pytest.approx(1, abs=1e-5)
    others = torch.zeros(2, 2, 3, 3)
    others[0, 0], others[1, 1] = 1, 1
    assert float(likeness(others)) == pytest.approx(0)


def test_a_direction_without_a_weight_is_one_channel() -> None:
    assert read_direction("4") == {4: 1.0}


def test_dropped_channels_come_back() -> None:
    network, inputs = small_subject().network, torch.rand(1, 3, 64, 64, generator=generator())
    before = network(inputs)
    with dropping(network, 0.5, generator()):
        assert not torch.allclose(network(inputs), before)
    assert torch.equal(network(inputs), before)


def test_a_picture_of_noise_is_further_from_photographs_than_one_of_pink_noise() -> None:
    random = np.random.default_rng(0)
    white = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64)[None, :])
    waves = np.fft.irfft2(np.fft.rfft2(random.normal(size=(64, 64))) / np.maximum(frequency, 1 / 64), s=(64, 64))
    pink = np.clip(128 + 40 * waves / waves.std(), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    law = natural_spectrum(None)
    assert spectrum_distance(white, law) > 0.3 > 2 * spectrum_distance(pink, law)
    assert spectrum_distance(pink, radial_spectrum(pink)) == pytest.approx(0, abs=1e-9)


def test_options_replace_what_the_preset_says() -> None:
    assert recipe_of(IdealOptions()) == PRESETS["default"]
    assert recipe_of(IdealOptions(preset="lesson-tv", steps=7)).steps == 7
    assert recipe_of(IdealOptions(preset="lesson-tv")).tv > 0 == recipe_of(IdealOptions(preset="lesson-noise")).tv


@pytest.mark.parametrize("preset", ["default", "lesson-tv", "lesson-noise"])
def test_what_is_drawn_is_taken_for_its_class(registry: Registry, preset: str) -> None:
    subject = make_subject("mini", registry)
    options = {"preset": preset, "steps": 60, "tv": 1, "noise": "0,0"}
    result = registry.visualizer("ideal", options).visualize(subject, VisualizationRequest(classes=(340,), seed=5))
    assert result.record["drawn"][0]["scores"][0]["own"] > 0.5


def test_of_several_seeds_the_best_by_its_crops_is_kept(registry: Registry) -> None:
    request = VisualizationRequest(classes=(2,), seed=5)
    (drawn,) = registry.visualizer("ideal", {"seeds": 3, "steps": 3}).visualize(small_subject(), request).record["drawn"]
    assert [entry["seed"] for entry in drawn["tried"]] == [5, 6, 7]
    assert drawn["seed"] == max(drawn["tried"], key=lambda entry: entry["mark"])["seed"]
    assert len({entry["mark"] for entry in drawn["tried"]}) == 3


def test_a_budget_ends_the_drawing(registry: Registry) -> None:
    result = registry.visualizer("ideal", {"seconds": 0.5, "steps": 100_000}).visualize(
        small_subject(), VisualizationRequest(classes=(2,))
    )
    assert 0 < result.record["drawn"][0]["steps"] < 100_000


def test_a_mix_and_several_at_once(registry: Registry) -> None:
    subject = small_subject()
    mixed = registry.visualizer("ideal", {"mix": 0.5, "steps": 20}).visualize(subject, VisualizationRequest(classes=(1, 2)))
    assert mixed.pictures[0].caption.startswith("bee ") and ", cow " in mixed.pictures[0].caption
    several = registry.visualizer("ideal", {"count": 3, "steps": 4}).visualize(subject, VisualizationRequest(classes=(1,)))
    assert [picture.name for picture in several.pictures] == ["bee 1", "bee 2", "bee 3"]
    assert several.columns == 3
