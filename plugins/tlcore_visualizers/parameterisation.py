"""What gradient descent changes when it draws: the pixels themselves, or waves whose sum they are.

Sources: decorrelated Fourier, Olah, Mordvintsev and Schubert 2017, Feature Visualization; magnitude-constrained, Fel et al.
2023, Unlocking Feature Visualization for Deep Networks with MAgnitude Constrained Optimization (MACO).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float32

Images = Float32[torch.Tensor, "images 3 height width"]

COLOUR_CORRELATION = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""Square root of the correlation of red, green and blue in photographs (Olah et al. 2017)."""

_LARGEST_NORM = max(sum(row[column] ** 2 for row in COLOUR_CORRELATION) ** 0.5 for column in range(3))


class Parameterisation(ABC):
    """Images as a function of the numbers that are optimised."""

    @property
    @abstractmethod
    def parameters(self) -> list[torch.Tensor]:
        """The leaf tensors that an optimiser changes."""

    @abstractmethod
    def images(self) -> Images:
        """Return the images they stand for: RGB in [0, 1], (images, 3, height, width)."""

    def after_step(self) -> None:
        """Bring the numbers back to where they are allowed; by default they may be any."""
        return


class Pixels(Parameterisation):
    """The pixels themselves, starting from faint noise around grey: the plain way.

    Args:
        count: how many images.
        size: (height, width) of each, pixels.
        generator: of the noise.
    """

    def __init__(self, count: int, size: tuple[int, int], generator: torch.Generator) -> None:
        noise = torch.rand(count, 3, *size, generator=generator)
        self._values = (0.35 + 0.3 * noise).requires_grad_(True)

    @property
    def parameters(self) -> list[torch.Tensor]:
        return [self._values]

    def images(self) -> Images:
        return self._values

    def after_step(self) -> None:
        with torch.no_grad():
            self._values.clamp_(0, 1)


class Fourier(Parameterisation):
    """Waves of every frequency in decorrelated colours, long ones the stronger, through a sigmoid.

    Args:
        count, size, generator: as for `Pixels`.
        decay: strength falls as frequency to this power; 1 is that of photographs.
    """

    def __init__(self, count: int, size: tuple[int, int], generator: torch.Generator, decay: float = 1.0) -> None:
        self._size = size
        frequencies = _frequencies(size)
        scale = 1.0 / frequencies.clamp(min=1.0 / max(size)) ** decay
        self._scale = (scale / 4.0)[..., None].repeat(1, 1, 2)  # a last axis of one would be multiplied number by number
        start = 0.01 * torch.randn(count, 3, *frequencies.shape, 2, generator=generator)
        self._spectrum = start.requires_grad_(True)
        self._colours = torch.tensor(COLOUR_CORRELATION) / _LARGEST_NORM

    @property
    def parameters(self) -> list[torch.Tensor]:
        return [self._spectrum]

    def images(self) -> Images:
        waves = torch.fft.irfft2(torch.view_as_complex(self._spectrum * self._scale), s=self._size, norm="ortho")
        return torch.sigmoid((self._colours @ waves.flatten(2)).view_as(waves))


class MagnitudeConstrained(Parameterisation):
    """Waves whose strengths are those of given photographs, so that only their phases can be drawn with.

    Args:
        count, size, generator: as for `Pixels`.
        magnitude: mean strength of each frequency in photographs of that size, (3, height, width // 2 + 1), by `spectrum`.
        mean: their mean colour.
    """

    def __init__(
        self,
        count: int,
        size: tuple[int, int],
        generator: torch.Generator,
        magnitude: Float32[torch.Tensor, "3 height half_width"],
        mean: Float32[torch.Tensor, " 3"],
    ) -> None:
        self._size = size
        self._magnitude = magnitude
        middle = mean.clamp(0.05, 0.95)
        self._offset = torch.log(middle / (1 - middle)).reshape(1, 3, 1, 1)
        phase = 2 * torch.pi * torch.rand(count, *magnitude.shape, generator=generator)
        self._phase = phase.requires_grad_(True)

    @property
    def parameters(self) -> list[torch.Tensor]:
        return [self._phase]

    def images(self) -> Images:
        waves = torch.fft.irfft2(
            torch.polar(self._magnitude.expand_as(self._phase), self._phase), s=self._size, norm="ortho"
        )
        # A sigmoid of slope 1 in the middle: contrast as in photographs, and no value outside [0, 1].
        return torch.sigmoid(4 * waves + self._offset)


def _frequencies(size: tuple[int, int]) -> Float32[torch.Tensor, "height half_width"]:
    """Return the frequency of each wave of a real two-dimensional transform, in cycles a pixel."""
    rows = torch.fft.fftfreq(size[0])[:, None]
    columns = torch.fft.rfftfreq(size[1])[None, :]
    return torch.sqrt(rows**2 + columns**2)
