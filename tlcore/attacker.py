"""Attackers: what changes pictures within a distance until a network errs. The core checks, the plugin computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64, UInt8

from tlcore.epsilon import LEVELS, Norm
from tlcore.errors import PluginError
from tlcore.progress import Progress, silent
from tlcore.visualizer import Subject

_SLACK = 1e-4
"""Levels of 255 that an L2 distance may exceed its bound by, for rounding."""


@dataclass(frozen=True, kw_only=True)
class AttackRequest:
    """What an attacker is asked to do.

    Attributes:
        images: what the network is fed, as `Preprocess.pixels` returns it.
        labels: the true class of each, which is to be left.
        epsilon: how far, in units of pixel values where white is 1.
        seed: of anything random.
        progress: told how far it is.
    """

    images: UInt8[np.ndarray, "images height width 3"] = field(repr=False)
    labels: Int64[np.ndarray, " images"] = field(repr=False)
    epsilon: float
    seed: int = 0
    progress: Progress = silent


class Attacker(ABC):
    """A visualizer that is also one of these can be measured by ``tl robustness``.

    A plugin's subclass writes `norm` and `perturb`; callers use `attack`, which holds it to its bound.
    """

    @property
    @abstractmethod
    def norm(self) -> Norm:
        """What epsilon is measured by: the largest change of a pixel, or the length of the whole change."""

    @abstractmethod
    def perturb(self, subject: Subject, request: AttackRequest) -> UInt8[np.ndarray, "images height width 3"]:
        """Return pictures that the network no longer takes for their labels, as far as it can. Callers use `attack`."""

    def attack(self, subject: Subject, request: AttackRequest) -> UInt8[np.ndarray, "images height width 3"]:
        """Change pictures so that a network no longer takes them for what they are.

        Args:
            subject: the network.
            request: the pictures, and how far they may be changed.

        Returns:
            pictures within epsilon of the request's, those that resisted among them.

        Raises:
            OptionError: the network is in training mode.
            PluginError: what came back are no such pictures, or they are further away than epsilon.
        """
        subject.check_mode()
        images, epsilon = request.images, request.epsilon
        found = self.perturb(subject, request)
        who = type(self).__name__
        if not isinstance(found, np.ndarray) or found.shape != images.shape or found.dtype != np.uint8:
            told = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise PluginError(f"{who} must return uint8 {images.shape}, got {told}")
        change = (found.astype(np.float64) - images).reshape(len(images), -1)
        distance = np.abs(change).max(axis=1) if self.norm == "linf" else np.linalg.norm(change, axis=1)
        if (distance > LEVELS * epsilon + _SLACK).any():
            raise PluginError(
                f"{who} left its bound: a change of {distance.max():.2f}/255 ({self.norm}), "
                f"at most {LEVELS * epsilon:.2f}/255"
            )
        return found
