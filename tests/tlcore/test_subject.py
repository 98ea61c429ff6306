from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import draw_shape
from tlcore import Registry, TrainResult
from tlcore.bundle import Bundle
from tlcore.errors import BackboneError, BundleError, OptionError, UnknownNameError
from tlcore.head import FittedHead
from tlcore.subject import bundle_subject, make_subject


class Unfolded(FittedHead):
    """The linear head, as one that is not linear."""

    def __init__(self, head: FittedHead) -> None:
        self._linear = head.linear()
        self.classes_ = head.classes

    @property
    def classes(self) -> int:
        return self.classes_

    def compute_logits(self, features: np.ndarray) -> np.ndarray:
        assert self._linear is not None
        weight, bias = self._linear
        return features @ weight.T + bias

    def tensors(self) -> dict[str, np.ndarray]:
        return {}

    def torch_module(self) -> torch.nn.Module:
        assert self._linear is not None
        weight, bias = map(torch.tensor, self._linear)
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        return torch.nn.Sequential(layer)


def logits_of(network: torch.nn.Module, inputs: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(inputs)).numpy()


def test_a_backbone_answers_with_its_own_classifier(registry: Registry) -> None:
    subject = make_subject("mini", registry)
    assert (subject.name, len(subject.class_names), subject.bundle) == ("mini", 1000, None)
    assert subject.class_name(subject.find_class("zebra")) == "zebra"
    assert not subject.network.training
    assert not any(parameter.requires_grad for parameter in subject.network.parameters())
    inputs = torch.rand(1, 3, 128, 128, requires_grad=True)
    subject.network(inputs)[0, 340].backward()
    assert inputs.grad is not None and inputs.grad.abs().max() > 0
    assert json.dumps(subject.record)


@pytest.mark.parametrize("folded", [True, False], ids=["linear head folded in", "head of its own"])
def test_a_bundle_answers_as_it_does(trained: TrainResult, registry: Registry, folded: bool) -> None:
    bundle = trained.bundle
    if folded:
        subject = bundle_subject(bundle)
    else:
        head, record = Unfolded(bundle.head), bundle.record
        subject = bundle_subject(Bundle(bundle.path, record, head, registry))
    pixels = bundle.record.preprocess.pixels(draw_shape("circle", 3))[None]
    found = logits_of(subject.network, bundle.record.preprocess.normalise(pixels))
    np.testing.assert_allclose(found, bundle.logits(pixels), rtol=1e-3, atol=1e-3)
    assert subject.class_names == ("bar", "circle", "square")
    assert subject.bundle == bundle.path


def test_what_is_no_subject_is_refused(registry: Registry, trained: TrainResult, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        make_subject(str(tmp_path), registry)
    with pytest.raises(OptionError, match="is a bundle and takes no backbone options, got pretrained"):
        make_subject(str(trained.bundle.path), registry, {"pretrained": "false"})
    with pytest.raises(UnknownNameError, match="unknown backbone 'minni'; did you mean 'mini'"):
        make_subject("minni", registry)


def test_a_network_without_a_classifier_is_refused(registry: Registry, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    network = timm.create_model("test_resnet", num_classes=0)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_resnet", "num_classes": 0}))
    with pytest.raises(BackboneError, match="has no classifier of its own; train one on your photos"):
        make_subject(f"local-dir:{tmp_path}", registry)


def test_weights_that_are_not_numbers_are_refused(registry: Registry, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    tensors = timm.create_model("test_resnet", num_classes=4).state_dict()
    tensors["fc.bias"][0] = torch.nan
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "test_resnet", "num_classes": 4}))
    with pytest.raises(BackboneError, match="gives logits that are not finite; are its weights whole"):
        make_subject(f"local-dir:{tmp_path}", registry)
