"""The layers of a network whose outputs lie on a grid over the image: convolutions, and tokens laid back on their grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float

from tlcore.errors import VisualizationError, did_you_mean
from tlcore_visualizers.borrowed import borrowed

Arrangement = Literal["channels-first", "channels-last", "tokens"]

_MAX_PREFIX = 16
"""Most tokens that may stand before those of the grid: class and distillation tokens, registers."""

_MAX_MISFIT = 0.5
"""How far the shape of a grid may be from the image's, as the logarithm of the ratio of their aspects."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer whose output lies on a grid over the image.

    Attributes:
        name: of the module, as ``network.named_modules()`` has it.
        kind: the module's class.
        channels, rows, columns: of its output, laid on the grid.
        arrangement: how the module itself orders them.
        prefix: how many tokens stand before those of the grid.
    """

    name: str
    kind: str
    channels: int
    rows: int
    columns: int
    arrangement: Arrangement = "channels-first"
    prefix: int = 0

    def grid(self, output: Float[torch.Tensor, "..."]) -> Float[torch.Tensor, "images channels rows columns"]:
        """Return the module's output as (images, channels, rows, columns)."""
        if self.arrangement == "channels-first":
            return output
        if self.arrangement == "channels-last":
            return output.permute(0, 3, 1, 2)
        tokens = output[:, self.prefix :]
        return tokens.transpose(1, 2).reshape(len(output), self.channels, self.rows, self.columns)


def find_layers(network: torch.nn.Module, image_size: tuple[int, int]) -> tuple[Layer, ...]:
    """Return the layers whose output lies on a grid of more than one place, in the order they run.

    Args:
        network: from normalised inputs to logits; left as found.
        image_size: (height, width) of its input.
    """
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}

    def hook_of(name: str) -> object:
        def hook(module: torch.nn.Module, arguments: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                shapes.pop(name, None)
                shapes[name] = (type(module).__name__, tuple(output.shape))

        return hook

    handles = [
        module.register_forward_hook(hook_of(name))  # type: ignore[arg-type]
        for name, module in network.named_modules()
        if name and not _weighs_attention(name, module)
    ]
    try:
        with borrowed(network), torch.no_grad():
            network(torch.zeros(2, 3, *image_size, device=device_of(network)))
    finally:
        for handle in handles:
            handle.remove()
    found = (_layer(name, kind, shape, image_size) for name, (kind, shape) in shapes.items())
    return tuple(layer for layer in found if layer is not None)


def choose_layer(layers: Sequence[Layer], name: str) -> Layer:
    """Return the layer of this name.

    Raises:
        VisualizationError: there is none; names the nearest.
    """
    for layer in layers:
        if layer.name == name:
            return layer
    names = [layer.name for layer in layers]
    if not names:
        raise VisualizationError("the network has no layer whose output lies on a grid over the image")
    hint = did_you_mean(name, names) or ";"
    few = ", ".join(layer.name for layer in last_of_each_size(layers))
    raise VisualizationError(
        f"the network has no layer {name!r}{hint} 'tl features MODEL --layers' lists all {len(names)}, among them {few}"
    )


def last_of_each_size(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Return, of each size of grid, the outermost module that runs last: the ends of a network's stages, in order."""
    last: dict[tuple[int, int], Layer] = {}
    for layer in layers:
        before = last.get((layer.rows, layer.columns))
        if before is None or layer.name.count(".") <= before.name.count("."):
            last[layer.rows, layer.columns] = layer
    return tuple(layer for layer in layers if layer in last.values())


def device_of(network: torch.nn.Module) -> torch.device:
    """Return where a network's weights are; the processor where it has none."""
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))


def _weighs_attention(name: str, module: torch.nn.Module) -> bool:
    """Tell queries, keys and weights between tokens: four sides of which the last two are no place in the image."""
    return isinstance(module, torch.nn.Softmax) or name.rpartition(".")[2] in ("attn_drop", "q_norm", "k_norm")


def _layer(name: str, kind: str, shape: tuple[int, ...], image_size: tuple[int, int]) -> Layer | None:
    if not shape or shape[0] != 2:
        return None
    aspect = image_size[0] / image_size[1]
    if len(shape) == 4:
        first, second, third = shape[1:]
        if _misfit(second, third, aspect) <= _misfit(first, second, aspect):
            layer = Layer(name=name, kind=kind, channels=first, rows=second, columns=third)
        else:
            layer = Layer(name=name, kind=kind, channels=third, rows=first, columns=second, arrangement="channels-last")
        misplaced = layer.rows > image_size[0] or _misfit(layer.rows, layer.columns, aspect) > _MAX_MISFIT
        return None if layer.rows * layer.columns == 1 or misplaced else layer
    if len(shape) == 3:
        placed = _token_grid(shape[1], aspect)
        if placed is not None:
            prefix, rows, columns = placed
            size = {"channels": shape[2], "rows": rows, "columns": columns}
            return Layer(name=name, kind=kind, **size, arrangement="tokens", prefix=prefix)
    return None


def _misfit(rows: int, columns: int, aspect: float) -> float:
    return abs(math.log(rows / columns / aspect)) if rows and columns else math.inf


def _token_grid(tokens: int, aspect: float) -> tuple[int, int, int] | None:
    """Return (prefix, rows, columns) of the fewest prefix tokens that leave a grid of the image's shape, or None.

    >>> _token_grid(197, 1.0), _token_grid(49, 1.0), _token_grid(201, 1.0), _token_grid(1, 1.0)
    ((1, 14, 14), (0, 7, 7), (5, 14, 14), None)
    """
    for prefix in range(min(_MAX_PREFIX, tokens - 4) + 1):
        rows = round(math.sqrt((tokens - prefix) * aspect))
        columns = (tokens - prefix) // rows if rows else 0
        if rows * columns == tokens - prefix and _misfit(rows, columns, aspect) < _MAX_MISFIT and min(rows, columns) > 1:
            return prefix, rows, columns
    return None
