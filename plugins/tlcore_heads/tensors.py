"""Heads as named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from tlcore.errors import HeadError

if TYPE_CHECKING:
    import torch


def take_tensors(tensors: Mapping[str, np.ndarray], dimensions: Mapping[str, int], owner: str) -> tuple[np.ndarray, ...]:
    """Return the arrays a head is restored from, in the order of `dimensions`.

    Args:
        tensors: what the bundle holds.
        dimensions: name to number of dimensions.
        owner: how the error calls the head.

    Raises:
        HeadError: one is missing or of another number of dimensions.
    """
    for name, expected in dimensions.items():
        if name not in tensors or tensors[name].ndim != expected:
            listed = ", ".join(f"{name!r} ({count} dimensions)" for name, count in dimensions.items())
            raise HeadError(f"a {owner} head is restored from {listed}; got: {', '.join(sorted(tensors)) or 'nothing'}")
    return tuple(tensors[name] for name in dimensions)


def linear_layer(weight: Float32[np.ndarray, "outputs inputs"], bias: Float32[np.ndarray, " outputs"]) -> torch.nn.Linear:
    """Return a layer of torch with these weights."""
    import torch

    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    return layer
