"""The contract of backbones as checks."""

from __future__ import annotations

import dataclasses
import tempfile
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError, TlcoreError
from tlcore.preprocess import Preprocess
from tlcore.registry import Registry
from tlcore.specs import BackboneSpec
from tlcore.testing.another_process import call_elsewhere
from tlcore.testing.conformance import CheckSkipped, Conformance, expect, relative_error

TOLERANCE = 1e-3
"""Relative difference allowed where a computation may be ordered in another way: other batches, another engine."""


class BackboneConformance(Conformance):
    """Checks of a backbone; see `Conformance` for how to use it."""

    kind = "backbone"

    @property
    def subject(self) -> Backbone:
        """The backbone under test."""
        made: Backbone = super().subject
        return made

    @cached_property
    def images(self) -> np.ndarray:
        """Five different images as the backbone takes them, (5, height, width, 3) uint8: noise, ramps, one colour."""
        height, width = self.subject.info.preprocess.image_size
        images = np.random.default_rng(0).integers(0, 256, (5, height, width, 3), dtype=np.uint8)
        images[1] = np.linspace(0, 255, width).astype(np.uint8)[None, :, None]
        images[2] = np.linspace(0, 255, height).astype(np.uint8)[:, None, None]
        images[3] = 200
        return images

    def use(self) -> None:
        """Embed two images."""
        self.subject.features(self.images[:2])

    def test_info_is_complete(self) -> None:
        """`info` is a `BackboneInfo` with sensible values that says the same when asked again."""
        info = self.subject.info
        expect(isinstance(info, BackboneInfo), f"{self.name}: info must be a BackboneInfo, got {type(info).__name__}")
        expect(isinstance(info.preprocess, Preprocess), f"{self.name}: info.preprocess must be a Preprocess")
        expect(info.feature_size >= 1, f"{self.name}: info.feature_size must be at least 1, got {info.feature_size}")
        expect(info.parameters >= 0, f"{self.name}: info.parameters must not be negative, got {info.parameters}")
        expect(
            len(info.weights_digest) == 64 and set(info.weights_digest) <= set("0123456789abcdef"),
            f"{self.name}: info.weights_digest must be a SHA-256 in hexadecimal, got {info.weights_digest!r}",
        )
        expect(info == self.subject.info, f"{self.name}: info differs when it is asked twice")

    def test_features_have_the_promised_shape(self) -> None:
        """Features are float32 (images, feature_size) and finite, for one image and for several."""
        for count in (1, 3):
            features = self.subject.features(self.images[:count])
            expected = (count, self.subject.info.feature_size)
            expect(
                features.shape == expected and features.dtype == np.float32,
                f"{self.name}: features must be float32 {expected}, got {features.dtype} {features.shape}",
            )

    def test_features_are_deterministic(self) -> None:
        """The same images give the same features, bit for bit; dropout left on is found here."""
        first, second = (self.subject.features(self.images) for _ in range(2))
        expect(np.array_equal(first, second), f"{self.name}: the same images gave other features the second time")

    def test_features_do_not_depend_on_the_batch(self) -> None:
        """An image has the same features alone and beside others; batch statistics are found here."""
        together = self.subject.features(self.images)
        alone = np.concatenate([self.subject.features(self.images[i : i + 1]) for i in range(len(self.images))])
        error = relative_error(alone, together)
        expect(
            error < TOLERANCE,
            f"{self.name}: features depend on the other images of the batch (relative difference {error:.1e}); "
            f"is it in evaluation mode?",
        )

    def test_features_depend_on_the_image(self) -> None:
        """Different images have different features."""
        features = self.subject.features(self.images)
        spread = float(np.abs(features - features[:1]).max())
        expect(spread > 1e-6, f"{self.name}: noise, ramps and one colour all have the same features")

    def test_input_is_left_alone(self) -> None:
        """`compute_features` does not write into the array it is given."""
        inputs = self.subject.info.preprocess.normalise(self.images)
        before = inputs.copy()
        self.subject.compute_features(inputs)
        expect(np.array_equal(inputs, before), f"{self.name}: compute_features changed the array it was given")

    def test_making_it_again_gives_the_same(self) -> None:
        """Two objects made with the same options have equal `info`, digest included, and equal features."""
        again = self.make()
        expect(
            again.info == self.subject.info,
            f"{self.name}: made twice, its info differs in {_difference(again, self.subject)}",
        )
        error = relative_error(again.features(self.images[:2]), self.subject.features(self.images[:2]))
        expect(error < TOLERANCE, f"{self.name}: made twice, its features differ by {error:.1e}; seed its weights")

    def test_another_process_gives_the_same(self) -> None:
        """Made by `info.name` in a fresh process, it has the same digest and features: bundles and workers rely on it."""
        modules = [module.__name__ for module in self.modules]
        request = (modules, self.subject.info.name, dict(self.options), self.images[:2])
        digest, features = call_elsewhere("tlcore.testing.backbones:embed_elsewhere", request)
        expect(digest == self.subject.info.weights_digest, f"{self.name}: in another process its weights_digest differs")
        error = relative_error(features, self.subject.features(self.images[:2]))
        expect(error < TOLERANCE, f"{self.name}: in another process its features differ by {error:.1e}")

    def test_feature_maps_are_well_formed(self) -> None:
        """Every layer is named once and gives float32 (images, channels, rows, columns), finite, whatever the batch."""
        layers = self.subject.layers()
        if not layers:
            raise CheckSkipped("has no layers")
        expect(len(set(layers)) == len(layers), f"{self.name}: layers() names a layer twice")
        chosen = list(dict.fromkeys([layers[0], layers[len(layers) // 2], layers[-1]]))
        together = self.subject.feature_maps(self.images[:3], chosen)
        alone = self.subject.feature_maps(self.images[:1], chosen)
        for layer in chosen:
            maps = together[layer]
            expect(maps.dtype == np.float32, f"{self.name}: feature maps of {layer!r} must be float32, got {maps.dtype}")
            expect(np.isfinite(maps).all(), f"{self.name}: feature maps of {layer!r} are not finite")
            error = relative_error(alone[layer], maps[:1])
            expect(error < TOLERANCE, f"{self.name}: feature maps of {layer!r} depend on the batch ({error:.1e})")

    def test_torch_network_is_a_fresh_copy_in_evaluation_mode(self) -> None:
        """`torch_network` gives modules in evaluation mode, and changing what it returned does not change the backbone."""
        import torch

        network = self._torch_network()
        training = [name or "the network" for name, module in network.named_modules() if module.training]
        expect(not training, f"{self.name}: torch_network() returned modules in training mode: {', '.join(training[:3])}")
        before = self.subject.features(self.images[:2])
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(0.125)
        expect(
            np.array_equal(before, self.subject.features(self.images[:2])),
            f"{self.name}: changing the network that torch_network() returned changed the backbone; return a copy",
        )

    def test_torch_classifier_computes_the_linear_layer(self) -> None:
        """The network with a given linear classifier gives features times weight plus bias."""
        import torch

        weight, bias = self._classifier()
        network = self._torch_classifier(weight, bias)
        inputs = self.subject.info.preprocess.normalise(self.images)
        with torch.inference_mode():
            logits = network(torch.from_numpy(inputs)).numpy()
        error = relative_error(logits, self.subject.features(self.images) @ weight.T + bias)
        expect(error < TOLERANCE, f"{self.name}: torch_classifier() is off from its features and the layer by {error:.1e}")

    def test_torch_embedder_gives_features_and_maps(self) -> None:
        """`torch_embedder` gives the pooled features, and maps whose mean over rows and columns they are, or None."""
        import torch

        try:
            embedder = self.subject.torch_embedder()
        except BackboneError as refusal:
            raise CheckSkipped(str(refusal)) from refusal
        wanted = self.subject.features(self.images[:2])
        inputs = self.subject.info.preprocess.normalise(self.images[:2])
        with torch.inference_mode():
            features, maps = embedder(torch.from_numpy(inputs))
        error = relative_error(features.numpy(), wanted)
        expect(error < TOLERANCE, f"{self.name}: torch_embedder() gives features that are off by {error:.1e}")
        expect(
            maps is None or maps.shape[:2] == features.shape,
            f"{self.name}: torch_embedder() must give maps (images, features, rows, columns), got "
            f"{None if maps is None else tuple(maps.shape)}",
        )

    def test_network_files_read_back(self) -> None:
        """What `network_files` writes is read by the spec it names as `loader`, with the same digest and preprocess."""
        files = self.subject.network_files(None, ())
        if files is None:
            raise CheckSkipped("is not written as files of its own; bundles keep its name and options")
        from safetensors.numpy import save_file

        from tlcore.machine.atomic import write_file

        with tempfile.TemporaryDirectory() as directory:
            tensors = {name: np.ascontiguousarray(array) for name, array in files.tensors.items()}
            save_file(tensors, str(Path(directory, "model.safetensors")))
            write_file(Path(directory, "config.json"), _json(files.config))
            owner = self.reference().offer.plugin.distribution
            reference = f"{files.loader}:{directory}" if self.modules else f"{owner}:{files.loader}:{directory}"
            read = self.registry().backbone(reference)
        expect(
            read.info.weights_digest == self.subject.info.weights_digest,
            f"{self.name}: read back from its files its weights_digest differs",
        )
        expect(
            read.info.preprocess == self.subject.info.preprocess,
            f"{self.name}: read back from its files its preprocess differs",
        )

    def test_what_is_remembered_is_what_is_built(self) -> None:
        """Where its spec states an identity, what it says and saves unbuilt is what it says and saves built."""
        spec = self.reference().offer.spec
        if not isinstance(spec, BackboneSpec) or spec.identity is None:
            raise CheckSkipped("states no identity; it is built whenever it is asked for")
        with tempfile.TemporaryDirectory() as directory:
            for _ in range(2):
                unbuilt = self.registry().backbone(self.name, self.options, cache_directory=Path(directory))
            different = _difference(unbuilt, self.subject)
            expect(
                not different, f"{self.name}: what is remembered of it differs in {different}; its identity says too little"
            )
            for classifier, names in ((None, ()), (self._classifier(), ("one", "two", "three"))):
                remade, made = (backbone.network_files(classifier, names) for backbone in (unbuilt, self.subject))
                expect(_same_files(remade, made), f"{self.name}: saved unbuilt, its network_files() differ")

    def test_exports_to_onnx(self) -> None:
        """With a linear classifier, the network exports to ONNX and onnxruntime gives the same logits."""
        weight, bias = self._classifier()
        network = self._torch_classifier(weight, bias)
        inputs = self.subject.info.preprocess.normalise(self.images)
        error = onnx_error(network, inputs, self.subject.features(self.images) @ weight.T + bias)
        expect(error < TOLERANCE, f"{self.name}: exported to ONNX, its logits are off by {error:.1e}")

    def _classifier(self) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(1)
        weight = random.standard_normal((3, self.subject.info.feature_size)).astype(np.float32)
        return weight, random.standard_normal(3).astype(np.float32)

    def _torch_network(self) -> Any:
        try:
            return self.subject.torch_network()
        except BackboneError as error:
            raise CheckSkipped(str(error)) from error

    def _torch_classifier(self, weight: np.ndarray, bias: np.ndarray) -> Any:
        try:
            return self.subject.torch_classifier(weight, bias)
        except BackboneError as error:
            raise CheckSkipped(str(error)) from error


def embed_elsewhere(request: tuple[list[str], str, Mapping[str, object], np.ndarray]) -> tuple[str, np.ndarray]:
    """Make a backbone by name and embed images; run in another process. Returns the weights' digest and the features."""
    from importlib import import_module

    modules, name, options, images = request
    backbone = Registry([import_module(module) for module in modules]).backbone(name, options)
    return backbone.info.weights_digest, backbone.features(images)


def onnx_error(network: Any, inputs: np.ndarray, wanted: np.ndarray) -> float:
    """Export a torch network to ONNX, run it with onnxruntime, and return the relative error of what comes out.

    Raises:
        CheckSkipped: what exporting needs is not installed.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise CheckSkipped(f"exporting needs the package {error.name!r}") from error
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as directory:
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.from_numpy(inputs[:2]),),
            input_names=["inputs"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("images")},),
            dynamo=True,
            verbose=False,
        )
        if program is None:
            raise TlcoreError("torch.onnx.export returned nothing")
        file = Path(directory, "network.onnx")
        program.save(str(file))
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return relative_error(np.asarray(session.run(None, {"inputs": inputs})[0]), wanted)


def _difference(first: Backbone, second: Backbone) -> str:
    names = [field.name for field in dataclasses.fields(BackboneInfo)]
    return ", ".join(name for name in names if getattr(first.info, name) != getattr(second.info, name))


def _same_files(first: NetworkFiles | None, second: NetworkFiles | None) -> bool:
    if first is None or second is None:
        return first is second
    return (
        (first.loader, _json(first.config)) == (second.loader, _json(second.config))
        and first.tensors.keys() == second.tensors.keys()
        and all(np.array_equal(first.tensors[name], second.tensors[name]) for name in first.tensors)
    )


def _json(value: object) -> bytes:
    import json

    return json.dumps(value).encode()
