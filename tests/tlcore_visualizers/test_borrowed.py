from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tlcore_visualizers.borrowed import borrowed, captured


def network() -> nn.Sequential:
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), nn.Linear(4 * 36, 2))
    made[0].weight.requires_grad_(False)
    made[4].weight.grad = torch.ones_like(made[4].weight)
    made[0].train()
    made[2].eval()
    return made


def state(module: nn.Module) -> list[Any]:
    return [
        [each.training for each in module.modules()],
        [len(each._forward_hooks) for each in module.modules()],
        [each.requires_grad for each in module.parameters()],
        [None if each.grad is None else each.grad.tolist() for each in module.parameters()],
        [each.tolist() for each in module.state_dict().values()],
    ]


@pytest.mark.parametrize("around", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_everything_is_left_as_found(around: Any) -> None:
    module = network()
    before = state(module)
    with around(), borrowed(module), captured(module, ["0"]) as outputs:
        assert not any(each.training for each in module.modules())
        for parameter in module.parameters():
            parameter.requires_grad_(True)
        module(torch.ones(1, 3, 8, 8)).sum().backward()
        assert state(module) != before
    assert outputs["0"].shape == (1, 4, 6, 6)
    assert state(module) == before


def test_everything_is_left_as_found_after_an_error() -> None:
    module = network()
    before = state(module)
    with pytest.raises(RuntimeError), borrowed(module), captured(module, ["0", "4"]):
        module(torch.ones(1, 3, 9, 9))
    assert state(module) == before


def test_captured_outputs_are_from_before_what_works_in_place() -> None:
    module = network()
    with borrowed(module), captured(module, ["0"]) as outputs:
        inputs = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        module(inputs)
    assert float(outputs["0"].detach().min()) < 0
    assert torch.equal(outputs["0"], module[0](inputs))
