"""Random views of images: shifted, turned, scaled, with noise, so that what is drawn does not hang on single pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float32

from tlcore_visualizers.parameterisation import Images

ViewTensor = Float32[torch.Tensor, "views 3 view_height view_width"]

_POOL = 1 << 20
"""How many normal numbers are drawn once; each view's noise is a stretch of them, as drawing anew costs a network's time."""


@dataclass(frozen=True, kw_only=True)
class ViewRange:
    """How far views may differ.

    Attributes:
        scale: least and greatest magnification; the logarithm is uniform between.
        rotation: to either side, degrees.
        shift: to either side, as a share of the view's side.
        blur: greatest standard deviation of a Gaussian over the view, pixels; 0 for none.
        mirror: whether every other view, by chance, is seen in a mirror.
        colour: standard deviation of the logarithm of a view's contrast, and half of it that of what is added to each of its
            colours.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0
    shift: float = 0.0
    blur: float = 0.0
    mirror: bool = False
    colour: float = 0.0


class Views:
    """Draws views by one resampling each.

    Args:
        ranges: how far they may differ.
        generator: of the choices.
    """

    def __init__(self, ranges: ViewRange, generator: torch.Generator) -> None:
        self._ranges = ranges
        self._generator = generator
        self._pool: torch.Tensor | None = None

    def __call__(self, images: Images, size: tuple[int, int], count: int = 1, *, noise: float = 0.0) -> ViewTensor:
        """Return views of images; edges are mirrored.

        Args:
            images: RGB in [0, 1].
            size: (height, width) of a view, pixels: the network's input.
            count: how many of each.
            noise: standard deviation of what is added to their pixels.
        """
        repeated = images.repeat_interleave(count, dim=0) if count > 1 else images
        views = self._moved(repeated, size)
        if self._ranges.blur:
            views = self._blurred(views)
        if self._ranges.colour:
            views = self._coloured(views)
        return torch.add(views, self._noise(views), alpha=noise) if noise else views

    def _moved(self, images: Images, size: tuple[int, int]) -> ViewTensor:
        ranges = self._ranges
        still = ranges.scale == (1.0, 1.0) and not ranges.rotation and not ranges.shift and not ranges.mirror
        if still and images.shape[2:] == size:
            return images
        low, high = ranges.scale
        scale = torch.exp(self._uniform(len(images), math.log(low), math.log(high)))
        angle = self._uniform(len(images), -ranges.rotation, ranges.rotation) * (math.pi / 180)
        height, width = images.shape[2:]
        across, down = size[1] / width / scale, size[0] / height / scale
        cosine, sine = torch.cos(angle), torch.sin(angle)
        shift = [self._uniform(len(images), -2 * ranges.shift, 2 * ranges.shift) for _ in range(2)]
        if ranges.mirror:
            across = across * torch.where(self._uniform(len(images), -1.0, 1.0) < 0, -1.0, 1.0)
        columns = _places(size[1])[None, None, :]
        rows = _places(size[0])[None, :, None]
        cosine, sine, across, down = (value[:, None, None] for value in (cosine, sine, across, down))
        grid = torch.empty(len(images), *size, 2)
        torch.add(across * (cosine * columns + shift[0][:, None, None]), -sine * across * rows, out=grid[..., 0])
        torch.add(down * (cosine * rows + shift[1][:, None, None]), sine * down * columns, out=grid[..., 1])
        return _sampled(images, grid)

    def _coloured(self, views: ViewTensor) -> ViewTensor:
        """Change contrast about the middle grey, and the strength of each colour."""
        contrast = torch.exp(self._ranges.colour * torch.randn(len(views), 1, 1, 1, generator=self._generator))
        added = self._ranges.colour / 2 * torch.randn(len(views), 3, 1, 1, generator=self._generator)
        return torch.addcmul(added + 0.5 * (1 - contrast), views, contrast)

    def _blurred(self, views: ViewTensor) -> ViewTensor:
        deviation = float(self._uniform(1, 0.0, self._ranges.blur))
        return blurred(views, deviation)

    def _noise(self, views: ViewTensor) -> ViewTensor:
        if self._pool is None:
            self._pool = torch.randn(max(_POOL, 8 * views[0].numel()), generator=self._generator)
        count = min(views.numel(), len(self._pool))
        start = int(torch.randint(len(self._pool) - count + 1, (1,), generator=self._generator))
        noise = self._pool[start : start + count]
        return (noise if count == views.numel() else noise.repeat(-(-views.numel() // count))[: views.numel()]).view_as(
            views
        )

    def _uniform(self, count: int, low: float, high: float) -> Float32[torch.Tensor, " count"]:
        return low + (high - low) * torch.rand(count, generator=self._generator)


def _sampled(images: Images, grid: Float32[torch.Tensor, "images view_height view_width 2"]) -> ViewTensor:
    """Return images at the places of a grid; edges are mirrored.

    torch divides this among threads by images, and a single one is left to one thread; so it is sampled in strips of rows,
    as if each were an image.
    """
    strips = torch.get_num_threads()
    count, height, width, _ = grid.shape
    if count > 1 or height % strips:
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    rows = grid.reshape(strips, height // strips, width, 2)
    sampled = F.grid_sample(images.expand(strips, -1, -1, -1), rows, padding_mode="reflection", align_corners=False)
    return sampled.transpose(0, 1).reshape(1, 3, height, width)


def _places(count: int) -> Float32[torch.Tensor, " count"]:
    """Return where the middles of so many pixels lie, from -1 to 1, as `torch.nn.functional.grid_sample` counts."""
    return (2 * torch.arange(count, dtype=torch.float32) + 1) / count - 1


def blurred(images: Images, deviation: float) -> Images:
    """Return images under a Gaussian of this standard deviation in pixels; below 0.2 they stay as they are."""
    if deviation < 0.2:
        return images
    radius = max(1, round(2.5 * deviation))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / deviation) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = F.pad(images, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel, groups=3), kernel.transpose(2, 3), groups=3)
