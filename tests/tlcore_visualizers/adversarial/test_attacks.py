"""What holds of every attack: within its ball, in [0, 1], whole levels, the network left alone, one seed one result."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from tests.tlcore_visualizers.adversarial.conftest import Affine, away, grey_images, toward
from tlcore.errors import OptionError, TlcoreError
from tlcore.progress import Progress, ProgressEvent
from tlcore_visualizers.adversarial.apgd import AutoProjectedGradient
from tlcore_visualizers.adversarial.attack import Attack, Best
from tlcore_visualizers.adversarial.ball import Ball, length
from tlcore_visualizers.adversarial.carlini_wagner import CarliniWagner
from tlcore_visualizers.adversarial.deepfool import DeepFool
from tlcore_visualizers.adversarial.descent import PixelDescent
from tlcore_visualizers.adversarial.fgsm import FastGradient
from tlcore_visualizers.adversarial.goal import Goal
from tlcore_visualizers.adversarial.minimal import MinimalEpsilon
from tlcore_visualizers.adversarial.pgd import ProjectedGradient
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.adversarial.repair import Repaired, repair
from tlcore_visualizers.adversarial.universal import UniversalPerturbation

BOUND: dict[str, Attack] = {
    "fgsm": FastGradient(epsilon=12 / 255),
    "fgsm-l2": FastGradient(epsilon=0.6, norm="l2"),
    "bim": ProjectedGradient(epsilon=12 / 255, random_start=False),
    "pgd": ProjectedGradient(epsilon=12 / 255, steps=15),
    "pgd-l2-momentum": ProjectedGradient(epsilon=0.6, norm="l2", momentum=0.9, steps=15),
    "pgd-restarts": ProjectedGradient(epsilon=12 / 255, steps=3, restarts=2, loss="margin"),
    "apgd": AutoProjectedGradient(epsilon=12 / 255, steps=25),
    "apgd-l2-dlr": AutoProjectedGradient(epsilon=0.6, norm="l2", loss="dlr", steps=25, restarts=1),
    "universal": UniversalPerturbation(epsilon=60 / 255, epochs=6),
    "pgd-l2-of-few-levels": ProjectedGradient(epsilon=0.05, norm="l2", steps=15),
    "odd-epsilon": ProjectedGradient(epsilon=12.7 / 255, steps=15),
}
NEAREST: dict[str, Attack] = {
    "deepfool": DeepFool(),
    "deepfool-linf": DeepFool(norm="linf"),
    "carlini-wagner": CarliniWagner(steps=30, searches=3, rate=0.02),
    "minimal": MinimalEpsilon(),
    "minimal-l2": MinimalEpsilon(norm="l2", first=0.1, largest=20.0, tolerance=0.01),
    "descent": PixelDescent(rate=0.2, confidence=0.7),
}


@pytest.mark.parametrize("name", BOUND | NEAREST)
def test_result_is_a_picture_that_fools(name: str, affine: Affine) -> None:
    attack = (BOUND | NEAREST)[name]
    problem = (away if name == "universal" else toward)(affine, grey_images())
    result = attack.run(problem, seed=3)
    assert result.images.min() >= 0 and result.images.max() <= 1
    assert torch.allclose(result.images * 255, (result.images * 255).round(), atol=1e-3)
    fooled = problem.goal.reached(affine(result.images))
    assert torch.equal(result.success, fooled)
    least = {"pgd-l2-of-few-levels": 0, "universal": 3, "pgd-restarts": 4}.get(name, 6)
    assert int(fooled.sum()) >= least


@pytest.mark.parametrize("name", BOUND)
@pytest.mark.parametrize("saved", [True, False], ids=["saved", "unsaved"])
def test_never_leaves_its_ball(name: str, saved: bool, affine: Affine) -> None:
    attack = BOUND[name]
    images = grey_images()
    images[0], images[1] = 0.0, 1.0
    result = attack.run(away(affine, images), saved=saved)
    ball = attack.ball(away(affine, images))
    assert ball is not None
    assert bool((length(result.images - images, ball.norm) <= ball.epsilon + 1e-5).all())


def test_ball_check_can_fail(affine: Affine) -> None:
    """The projection is what keeps an attack within: the plain descent of the same length leaves the ball."""
    problem = toward(affine, grey_images())
    result = PixelDescent(rate=5.0, confidence=0.999).run(problem)
    assert bool((length(result.images - problem.images, "linf") > 12 / 255).any())


@dataclass(frozen=True, kw_only=True)
class _Escaping(Attack):
    """A wrong attack: white pictures, whatever the epsilon."""

    def ball(self, problem: Problem) -> Ball:
        return problem.ball(4 / 255, "linf")

    def compute(self, problem: Problem, best: Best, *, generator: torch.Generator, progress: Progress) -> None:
        best.offer(
            torch.arange(len(problem.images)), torch.ones_like(problem.images), torch.full((len(problem.images),), -1.0)
        )


def test_a_wrong_attack_is_held_within_the_ball(affine: Affine) -> None:
    problem = away(affine, grey_images())
    result = _Escaping().run(problem)
    assert bool((length(result.images - problem.images, "linf") <= 4 / 255 + 1e-6).all())
    assert torch.equal(result.success, problem.goal.reached(affine(result.images)))


@pytest.mark.parametrize("name", BOUND | NEAREST)
def test_one_seed_one_result_and_network_left_alone(name: str, affine: Affine) -> None:
    attack = (BOUND | NEAREST)[name]
    before = affine.weight.detach().clone()
    first, second = (attack.run(away(affine, grey_images(3)), seed=5) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert affine.weight.requires_grad and affine.weight.grad is None and torch.equal(affine.weight, before)


@pytest.mark.parametrize("name", BOUND | NEAREST)
def test_changes_only_where_allowed(name: str, affine: Affine) -> None:
    attack = (BOUND | NEAREST)[name]
    mask = torch.zeros(3, 1, 8, 8)
    mask[..., 2:6, 2:6] = 1
    plain = away(affine, grey_images(3))
    problem = Problem(network=affine, images=plain.images, goal=plain.goal, mask=mask)
    changed = (attack.run(problem).images - problem.images).abs().amax((0, 1)) > 1e-6
    assert bool(changed.any()) and not bool((changed & (mask[0, 0] == 0)).any())


@pytest.mark.parametrize("name", BOUND | NEAREST)
def test_interrupted_keeps_the_best_so_far(name: str, affine: Affine) -> None:
    attack = (BOUND | NEAREST)[name]
    problem = away(affine, grey_images(3))
    kept = []

    def interrupt(event: ProgressEvent) -> None:
        if event.done >= min(3, (event.total or 1) - 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack.run(problem, progress=interrupt, keep=kept.append)
    result = kept[-1]()
    assert torch.equal(result.success, problem.goal.reached(affine(result.images)))


def test_deepfool_finds_the_known_distance() -> None:
    network = Affine(classes=2).eval()
    problem = away(network, grey_images())
    slope = (network.weight[0] - network.weight[1]).detach()
    gap = network(problem.images).detach().diff(dim=1).abs().squeeze(1)
    for norm, steep in (("l2", slope.norm()), ("linf", slope.abs().sum())):
        result = DeepFool(norm=norm).run(problem, saved=False)
        assert bool(result.success.all())
        found = length(result.images - problem.images, norm)
        assert torch.allclose(found, gap / steep * 1.02, rtol=0.02)


@pytest.mark.parametrize("norm, attack, slack", [
    ("l2", CarliniWagner(steps=120, searches=5), 1.2), ("linf", MinimalEpsilon(), 1.05), ("l2", MinimalEpsilon(norm="l2", first=0.05, tolerance=0.002, largest=9.0), 1.05),
], ids=["carlini-wagner", "bisection", "bisection-l2"])  # fmt: skip
def test_nearest_change_is_close_to_the_known_minimum(norm: str, attack: Attack, slack: float) -> None:
    network = Affine(classes=2).eval()
    problem = away(network, grey_images())
    slope = (network.weight[0] - network.weight[1]).detach()
    known = network(problem.images).detach().diff(dim=1).abs().squeeze(1) / (
        slope.norm() if norm == "l2" else slope.abs().sum()
    )
    result = attack.run(problem, saved=False)
    found = length(result.images - problem.images, norm)
    assert bool(result.success.all()) and bool((found >= known * 0.999).all())
    assert bool((found <= known * slack + 0.12 / 255).all())


def test_one_step_suffices_exactly_where_it_must() -> None:
    """On a linear network one signed step of epsilon fools exactly the images whose boundary is nearer than epsilon."""
    network = Affine(classes=2).eval()
    problem = away(network, grey_images(40))
    slope = (network.weight[0] - network.weight[1]).detach()
    known = network(problem.images).detach().diff(dim=1).abs().squeeze(1) / slope.abs().sum()
    epsilon = float(known.median())
    assert torch.equal(FastGradient(epsilon=epsilon + 1e-6).run(problem, saved=False).success, known <= epsilon)


def test_repair_mends_what_rounding_undoes(mini_pixels: torch.nn.Module, small_pictures: torch.Tensor) -> None:
    problem = away(mini_pixels, small_pictures[:3])
    found = DeepFool(candidates=2, steps=12, overshoot=0.001).run(problem, saved=False)
    rounded = (found.images * 255).round() / 255
    lost = found.success & ~problem.goal.reached(problem.logits(rounded))
    repaired = repair(problem, Repaired(found.images, found.success, torch.zeros_like(found.steps)), None)
    assert bool(lost.any()) and bool(problem.goal.reached(problem.logits(repaired.images)).all())
    assert bool((repaired.steps[lost] > 0).all()) and bool((repaired.steps[~lost] == 0).all())


@pytest.mark.parametrize(
    "attack",
    [ProjectedGradient(epsilon=4 / 255, steps=5), AutoProjectedGradient(epsilon=4 / 255, steps=5)],
    ids=["pgd", "apgd"],
)
def test_the_network_in_the_box_is_fooled(
    attack: Attack, mini_pixels: torch.nn.Module, small_pictures: torch.Tensor
) -> None:
    result = attack.run(away(mini_pixels, small_pictures[:2]))
    assert bool(result.success.all())


def test_fooled_images_cost_no_more_steps(affine: Affine) -> None:
    problem = away(affine, grey_images())
    result = ProjectedGradient(epsilon=60 / 255, steps=50).run(problem)
    assert int(result.steps.max()) < 50


@pytest.mark.parametrize(
    "attack, asked",
    [
        (ProjectedGradient(epsilon=1e-7, steps=10), 10 + 1),
        (ProjectedGradient(epsilon=1e-7, steps=10, restarts=1), 2 * (10 + 1)),
        (AutoProjectedGradient(epsilon=1e-7, steps=10), 10 + 1),
        (FastGradient(epsilon=1e-7), 2),
    ],
    ids=["pgd", "pgd-restart", "apgd", "fgsm"],
)
@pytest.mark.parametrize("saved", [True, False], ids=["saved", "unsaved"])
def test_asks_the_network_no_oftener_than_it_must(attack: Attack, asked: int, saved: bool, affine: Affine) -> None:
    """A gradient a step and one answer for the last place; one more for the picture as it is saved."""
    problem = away(affine, grey_images())
    asked_about: list[int] = []
    affine.register_forward_pre_hook(lambda _, inputs: asked_about.append(len(inputs[0])))
    attack.run(problem, saved=saved)
    assert asked_about == [len(problem.images)] * (asked + saved)


def test_training_mode_is_refused(affine: Affine) -> None:
    with pytest.raises(TlcoreError, match="training mode"):
        DeepFool().run(away(affine.train(), grey_images()))


@pytest.mark.parametrize("value", [float("nan"), 1.5, -0.1], ids=str)
def test_no_picture_is_refused(value: float, affine: Affine) -> None:
    problem = away(affine, grey_images())
    problem.images[0, 0, 0, 0] = value
    with pytest.raises(OptionError, match=r"\[0, 1\]"):
        DeepFool().run(problem)


def test_network_that_answers_nan_is_refused(affine: Affine) -> None:
    problem = away(affine, grey_images())
    affine.weight.data[0, 0] = torch.nan
    with pytest.raises(TlcoreError, match="not finite"):
        FastGradient(epsilon=0.1).run(problem)


@pytest.mark.parametrize("label", [-1, 3])
def test_unknown_label_is_refused(label: int, affine: Affine) -> None:
    problem = Problem(network=affine, images=grey_images(1), goal=Goal(labels=torch.tensor([label])))
    with pytest.raises(OptionError, match="classes 0 to 2"):
        FastGradient(epsilon=0.1).run(problem)


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 3.0])
def test_a_short_l2_change_survives_rounding_where_few_values_can_move(
    epsilon: float, mini_pixels: torch.nn.Module, small_pictures: torch.Tensor
) -> None:
    """Spread over 49,152 values each is less than half a level; what is saved puts it where the gradient is largest."""
    problem = away(mini_pixels, small_pictures[:2])
    attack = ProjectedGradient(epsilon=epsilon, norm="l2", steps=6)
    result = attack.run(problem)
    distance = length(result.images - problem.images, "l2")
    assert bool((distance <= epsilon + 1e-5).all()) and bool((distance > 0)[attack.run(problem, saved=False).success].all())
