"""The contract of heads as checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from tlcore.errors import HeadError, PluginError, TlcoreError
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.registry import Registry
from tlcore.testing.another_process import call_elsewhere
from tlcore.testing.cancelling import expect_cancels
from tlcore.testing.conformance import CheckSkipped, Conformance, ConformanceFailure, expect, expect_json, relative_error

TOLERANCE = 1e-3


def blobs(count: int, seed: int, *, classes: int = 3, size: int = 8) -> HeadData:
    """Return points around one centre per class, far enough apart that any head tells them apart.

    Args:
        count: points of each class.
        seed: of the points; the centres are always the same.
        classes: how many centres.
        size: features of a point.
    """
    centres = np.random.default_rng(7).standard_normal((classes, size)) * 4
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes, dtype=np.int64), count)
    features = (centres[labels] + random.standard_normal((len(labels), size))).astype(np.float32)
    order = random.permutation(len(labels))
    return HeadData(features=features[order], labels=labels[order])


def nothing(size: int = 8) -> HeadData:
    """Return no images at all."""
    return HeadData(features=np.empty((0, size), np.float32), labels=np.empty(0, np.int64))


class HeadConformance(Conformance):
    """Checks of a head; see `Conformance` for how to use it."""

    kind = "head"

    @property
    def subject(self) -> Head:
        """The head under test."""
        made: Head = super().subject
        return made

    _fitted: ClassVar[HeadFit | None] = None

    @property
    def fitted(self) -> HeadFit:
        """The head fitted on blobs, once for all checks of a suite, since some heads take seconds."""
        suite = type(self)
        if "_fitted" not in vars(suite):
            suite._fitted = self.subject.fit(blobs(20, 0), blobs(6, 1), 3, seed=0)
        assert suite._fitted is not None
        return suite._fitted

    def use(self) -> None:
        """Fit and ask for logits."""
        self.subject.fit(blobs(8, 0), blobs(3, 1), 3).head.logits(blobs(3, 2).features)

    def test_fit_returns_what_it_promises(self) -> None:
        """`fit` returns a `HeadFit` with a `FittedHead` of as many classes as there are."""
        expect(isinstance(self.fitted, HeadFit), f"{self.name}: fit must return a HeadFit, got {type(self.fitted).__name__}")
        expect(isinstance(self.fitted.head, FittedHead), f"{self.name}: HeadFit.head must be a FittedHead")

    def test_learns_what_is_easy(self) -> None:
        """It tells apart new points of well separated classes."""
        fresh = blobs(30, 2)
        accuracy = float((self.fitted.head.logits(fresh.features).argmax(axis=1) == fresh.labels).mean())
        expect(accuracy > 0.9, f"{self.name}: finds {accuracy:.0%} of well separated points, expected over 90%")

    def test_logits_do_not_depend_on_the_batch(self) -> None:
        """An image has the same logits alone and beside others."""
        features = blobs(4, 3).features
        together = self.fitted.head.logits(features)
        alone = np.concatenate([self.fitted.head.logits(features[i : i + 1]) for i in range(len(features))])
        error = relative_error(alone, together)
        expect(error < TOLERANCE, f"{self.name}: logits depend on the other images of the batch ({error:.1e})")

    def test_fit_is_deterministic(self) -> None:
        """The same data and seed give the same logits."""
        again = self.make().fit(blobs(20, 0), blobs(6, 1), 3, seed=0)
        features = blobs(4, 3).features
        error = relative_error(again.head.logits(features), self.fitted.head.logits(features))
        expect(error < 1e-6, f"{self.name}: fitted twice with one seed, its logits differ by {error:.1e}")

    def test_validation_logits_fit_the_validation_images(self) -> None:
        """`validation_logits` are float32 (validation images, classes), and None where there are none."""
        logits = self.fitted.validation_logits
        expect(
            logits is not None and logits.shape == (18, 3) and logits.dtype == np.float32,
            f"{self.name}: validation_logits must be float32 (18, 3), got "
            f"{'None' if logits is None else f'{logits.dtype} {logits.shape}'}",
        )
        without = self.subject.fit(blobs(8, 0), nothing(), 3)
        expect(without.validation_logits is None, f"{self.name}: without validation images validation_logits must be None")

    def test_validation_logits_come_from_unseen_images(self) -> None:
        """Validation images were not learnt from: where their labels are noise, they are not foreseen."""
        validation = blobs(40, 4)
        shuffled = np.random.default_rng(5).permutation(validation.labels)
        fit = self.subject.fit(blobs(20, 0), HeadData(features=validation.features, labels=shuffled), 3)
        assert fit.validation_logits is not None
        foreseen = float((fit.validation_logits.argmax(axis=1) == shuffled).mean())
        expect(foreseen < 0.6, f"{self.name}: foresees {foreseen:.0%} of random validation labels; it has learnt from them")

    def test_works_on_hard_cases(self) -> None:
        """It fits one image per class, a class without an image, and features that are all the same, with finite logits."""
        constant = HeadData(features=np.ones((6, 8), np.float32), labels=np.array([0, 1, 2] * 2, np.int64))
        cases = {"one image per class": blobs(1, 0), "constant features": constant}
        for told, data in cases.items():
            for classes in (3, 4):
                try:
                    self.subject.fit(data, nothing(), classes).head.logits(data.features)
                except (TlcoreError, ValueError, ArithmeticError, IndexError) as error:
                    raise ConformanceFailure(
                        f"{self.name}: fails on {told}{' and a class without any' if classes == 4 else ''}: {error}"
                    ) from error

    def test_data_is_left_alone(self) -> None:
        """Fitting does not write into the arrays it is given."""
        data = blobs(8, 0)
        features, labels = data.features.copy(), data.labels.copy()
        self.subject.fit(data, blobs(3, 1), 3)
        expect(
            np.array_equal(features, data.features) and np.array_equal(labels, data.labels),
            f"{self.name}: fit changed the arrays it was given",
        )

    def test_restores_from_its_tensors(self) -> None:
        """`restore` makes an equal head from `tensors` as safetensors keeps them, here and in another process."""
        from safetensors.numpy import load, save

        tensors = {name: np.ascontiguousarray(array) for name, array in self.fitted.head.tensors().items()}
        objects = [name for name, array in tensors.items() if array.dtype.hasobject]
        expect(not objects, f"{self.name}: tensor {', '.join(objects)} holds objects; bundles keep plain arrays only")
        features = blobs(4, 3).features
        wanted = self.fitted.head.logits(features)
        here = self.make().restore(load(save(tensors))).logits(features)
        error = relative_error(here, wanted)
        expect(error < 1e-6, f"{self.name}: restored from its tensors, its logits differ by {error:.1e}")
        modules = [module.__name__ for module in self.modules]
        request = (modules, self.name, dict(self.options), tensors, features)
        there = call_elsewhere("tlcore.testing.heads:logits_elsewhere", request)
        error = relative_error(there, wanted)
        expect(error < 1e-5, f"{self.name}: restored in another process, its logits differ by {error:.1e}")

    def test_refuses_foreign_tensors(self) -> None:
        """`restore` of something else raises a `TlcoreError` of one line."""
        try:
            self.make().restore({"of-something-else": np.zeros(3, np.float32)})
        except PluginError as error:
            raise ConformanceFailure(f"{self.name}: restore of foreign tensors fails with {error}") from error
        except TlcoreError as error:
            expect("\n" not in str(error), f"{self.name}: restore's error must be one line, got {str(error)!r}")
        except Exception as error:  # the plugin boundary: any other exception is the finding
            raise ConformanceFailure(
                f"{self.name}: restore of foreign tensors must raise a HeadError, got {type(error).__name__}: {error}"
            ) from error
        else:
            raise ConformanceFailure(f"{self.name}: restore accepted the tensors of something else; raise a HeadError")

    def test_linear_equals_its_logits(self) -> None:
        """`linear` gives the weight and bias of its logits, (classes, features) and (classes,) float32, or None."""
        folded = self.fitted.head.linear()
        if folded is None:
            raise CheckSkipped("is not one linear layer")
        weight, bias = folded
        expect(
            weight.shape == (3, 8) and bias.shape == (3,) and weight.dtype == bias.dtype == np.float32,
            f"{self.name}: linear() must give float32 (3, 8) and (3,), got {weight.dtype} {weight.shape} and {bias.shape}",
        )
        features = blobs(4, 3).features
        error = relative_error(features @ weight.T + bias, self.fitted.head.logits(features))
        expect(error < TOLERANCE, f"{self.name}: linear() is off from its logits by {error:.1e}")

    def test_exports_to_onnx(self) -> None:
        """A head that is not linear exports to ONNX by its torch module, with equal logits, or says that it cannot."""
        from tlcore.testing.backbones import onnx_error

        if self.fitted.head.linear() is not None:
            raise CheckSkipped("is folded into the network as one linear layer")
        try:
            module = self.fitted.head.torch_module()
        except HeadError as refusal:
            raise CheckSkipped(str(refusal)) from refusal
        features = blobs(4, 3).features
        error = onnx_error(module.eval(), features, self.fitted.head.logits(features))
        expect(error < TOLERANCE, f"{self.name}: exported to ONNX, its logits are off by {error:.1e}")

    def test_record_is_json(self) -> None:
        """What fitting chose can be written as JSON."""
        expect_json(self.fitted.record, f"{self.name}: the record of the fit")

    def test_progress_cancels(self) -> None:
        """An exception raised by `progress` reaches the caller unchanged, and the head can be fitted again."""
        expect_cancels(lambda cancel: self.subject.fit(blobs(8, 0), blobs(3, 1), 3, progress=cancel), self.name)
        self.subject.fit(blobs(8, 0), blobs(3, 1), 3)


def logits_elsewhere(
    request: tuple[list[str], str, Mapping[str, object], Mapping[str, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Restore a head by name from tensors and return its logits; run in another process."""
    from importlib import import_module

    modules, name, options, tensors, features = request
    registry = Registry([import_module(module) for module in modules])
    return registry.head(name, options).restore(tensors).logits(features)
