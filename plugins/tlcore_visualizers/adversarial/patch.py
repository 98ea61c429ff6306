"""A printable patch: a small picture that, laid anywhere on a scene, makes the network see another class."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float32

from tlcore.progress import Progress, ProgressEvent, silent
from tlcore_visualizers.adversarial.problem import Problem, check, frozen

_DARKEST, _LIGHTEST = 0.06, 0.94
"""Ink on paper reaches neither black nor white."""


@dataclass(frozen=True, kw_only=True)
class PatchResult:
    """What a patch is and does.

    Attributes:
        patch: (3, side, side) in [0, 1], whole levels of 255.
        images: the problem's images with the patch at one random place each.
        success: share of `trials` random placements, over all images, that reach the goal.
        trials: how many placements were tried, other ones than the patch was made with.
        steps: of the optimisation.
    """

    patch: Float32[torch.Tensor, "3 side side"]
    images: Float32[torch.Tensor, "images 3 height width"]
    success: float
    trials: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class PrintablePatch:
    """Optimise a square patch over random places, sizes, turns and lights, with smooth colours that a printer can make.

    Sources: Brown et al. 2017, Adversarial patch (arXiv 1712.09665), by expectation over transformations (Athalye et al.
        2018, arXiv 1707.07397); smoothness after Sharif et al. 2016, Accessorize to a crime.

    Attributes:
        size: side of the patch as a share of the picture's shorter side.
        side: of the patch in pixels.
        steps: of Adam.
        rate: of Adam.
        turn: degrees it is turned by at most.
        smoothness: weight of the mean absolute difference of neighbouring pixels.
        batch: placements for each step.
    """

    size: float = 0.4
    side: int = 64
    steps: int = 150
    rate: float = 0.05
    turn: float = 20.0
    smoothness: float = 0.5
    batch: int = 8

    def run(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        progress: Progress = silent,
        keep: Callable[[Callable[[], PatchResult]], None] | None = None,
    ) -> PatchResult:
        """Make a patch for a problem whose images are the scenes it is to work in."""
        check(problem)
        generator = torch.Generator().manual_seed(seed)
        free = (torch.randn(3, self.side, self.side, generator=generator) * 0.1).requires_grad_(True)
        optimiser = torch.optim.Adam([free], lr=self.rate)
        done = 0
        if keep is not None:
            keep(lambda: self._result(problem, free, done, seed))
        with frozen(problem.network):
            for done in range(self.steps):
                progress(ProgressEvent("patch", done, self.steps))
                rows = torch.randint(len(problem.images), (self.batch,), generator=generator)
                with torch.enable_grad():
                    patch = _printable(free)
                    scenes = self.place(problem.images[rows], patch, generator)
                    missed = -problem.goal.rows(rows).objective(problem.network(scenes), "cross-entropy").mean()
                    (free.grad,) = torch.autograd.grad(missed + self.smoothness * _roughness(patch), free)
                optimiser.step()
        progress(ProgressEvent("patch", self.steps, self.steps))
        return self._result(problem, free, self.steps, seed)

    def place(self, scenes: torch.Tensor, patch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Lay the patch over scenes, (images, 3, height, width), each at a random place, size, turn and light."""
        count, _, height, width = scenes.shape
        draw = torch.rand(5, count, generator=generator) * 2 - 1
        half = self.size * (1 + 0.15 * draw[0]) * min(height, width) / 2
        angle = draw[1] * math.radians(self.turn)
        room_x, room_y = (width / 2 - half).clamp_min(0), (height / 2 - half).clamp_min(0)
        centre_x, centre_y = draw[2] * room_x, draw[3] * room_y
        cosine, sine = angle.cos() / half, angle.sin() / half
        # From the scene's coordinates, -1 to 1, to the patch's: shift to its centre, turn, and scale to its half side.
        rows = [
            torch.stack([cosine * width / 2, sine * height / 2, -(cosine * centre_x + sine * centre_y)], 1),
            torch.stack([-sine * width / 2, cosine * height / 2, sine * centre_x - cosine * centre_y], 1),
        ]
        grid = torch.nn.functional.affine_grid(torch.stack(rows, 1), list(scenes.shape), align_corners=False)
        lit = ((patch - 0.5) * (1 + 0.1 * draw[4])[:, None, None, None] + 0.5).clamp(0, 1)
        laid = torch.nn.functional.grid_sample(lit, grid, padding_mode="border", align_corners=False)
        inside = (grid.abs().amax(3) <= 1).unsqueeze(1)
        return torch.where(inside, laid, scenes)

    def _result(self, problem: Problem, free: torch.Tensor, steps: int, seed: int) -> PatchResult:
        patch = (_printable(free.detach()) * 255).round() / 255
        generator = torch.Generator().manual_seed(seed + 1)
        trials, reached, images = 4, 0, problem.images
        for _ in range(trials):
            images = (self.place(problem.images, patch, generator) * 255).round() / 255
            reached += int(problem.goal.reached(problem.logits(images)).sum())
        count = trials * len(problem.images)
        return PatchResult(patch=patch, images=images, success=reached / count, trials=count, steps=steps)


def _printable(free: torch.Tensor) -> torch.Tensor:
    return _DARKEST + (_LIGHTEST - _DARKEST) * torch.sigmoid(free * 4)


def _roughness(patch: torch.Tensor) -> torch.Tensor:
    return patch.diff(dim=1).abs().mean() + patch.diff(dim=2).abs().mean()
