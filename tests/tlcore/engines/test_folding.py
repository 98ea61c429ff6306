from __future__ import annotations

import pytest
import timm
import torch

from tlcore.engines.folding import fold_batch_norm


def norm(channels: int, seed: int) -> torch.nn.BatchNorm2d:
    """A batch norm that has seen something."""
    layer = torch.nn.BatchNorm2d(channels)
    random = torch.Generator().manual_seed(seed)
    for tensor in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
        assert tensor is not None
        tensor.copy_(torch.rand(channels, generator=random) + 0.5)
    return layer


def norms(network: torch.nn.Module) -> int:
    return sum(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in network.modules())


def agree(network: torch.nn.Module, expected: torch.Tensor, inputs: torch.Tensor) -> bool:
    with torch.no_grad():
        return torch.allclose(network(inputs), expected, rtol=1e-4, atol=1e-5)


def test_a_convolution_takes_in_the_norm_after_it() -> None:
    inputs = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    first = norm(4, 0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), first, torch.nn.ReLU(), norm(4, 1)).eval()
    expected = network(inputs)
    assert fold_batch_norm(network, inputs) == {"0": first}
    assert norms(network) == 1  # the second takes what a ReLU gave
    assert agree(network, expected, inputs)


class Twice(torch.nn.Module):
    """One convolution run twice, with a norm for each time."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 3, 1)
        self.first, self.second = norm(3, 0), norm(3, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.second(self.convolution(self.first(self.convolution(inputs))))
        return outputs


def test_a_convolution_that_runs_twice_is_left_alone() -> None:
    inputs = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    network = Twice().eval()
    expected = network(inputs)
    assert not fold_batch_norm(network, inputs)
    assert agree(network, expected, inputs)


def test_the_activation_inside_timms_norms_stays() -> None:
    inputs = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    network = timm.create_model("test_efficientnet", num_classes=0).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.5, 0.5)  # type: ignore[union-attr]
    with torch.no_grad():
        expected = network(inputs)
    found = norms(network)
    assert len(fold_batch_norm(network, inputs)) == found > 5
    assert norms(network) == 0
    assert agree(network, expected, inputs)


@pytest.mark.parametrize("looked_at", [0, 1])
def test_what_somebody_looks_at_stays(looked_at: int) -> None:
    inputs = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), norm(4, 0), torch.nn.Conv2d(4, 4, 3), norm(4, 1)).eval()
    seen: list[torch.Tensor] = []
    network[looked_at].register_forward_hook(lambda _module, _given, output: seen.append(output.detach()))
    expected = network(inputs)
    assert list(fold_batch_norm(network, inputs)) == ["2"]
    assert agree(network, expected, inputs)
    torch.testing.assert_close(seen[-1], seen[0])
