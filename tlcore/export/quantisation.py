"""int8: smaller and faster networks, let out only with what they cost measured."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from jaxtyping import Bool, UInt8

from tlcore.exported.onnx_file import INPUT
from tlcore.exported.runtime import import_onnxruntime

_CALIBRATION_BATCH = 8
_TIMED_RUNS = 40


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to quantise.

    Attributes:
        name: for reports.
        calibration: how activation ranges are found: ``"minmax"``, or ``"percentile"``, which cuts rare outliers.
        float_first: whether the first layer stays float; the last one, the classifier, always does.
    """

    name: str
    calibration: str
    float_first: bool


RECIPES = (
    Recipe(name="minmax, first and last layer float", calibration="minmax", float_first=True),
    Recipe(name="percentile, first and last layer float", calibration="percentile", float_first=True),
    Recipe(name="minmax, last layer float", calibration="minmax", float_first=False),
)
"""Tried in order until one is accurate and fast enough; all static QDQ, activations unsigned, weights signed per channel."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What quantising changed, on the same images.

    Attributes:
        images: how many.
        before, after: top-1 share of the float32 and the int8 network.
        low, high: 95 % interval of the change, after less before.
        agreement: share of images both name alike.
        speedup: processor time of one image by float32 over int8, one thread, medians of alternating runs.
    """

    images: int
    before: float
    after: float
    low: float
    high: float
    agreement: float
    speedup: float

    def to_dict(self) -> dict[str, float | int]:
        """Return the change as JSON-ready values."""
        values: dict[str, float | int] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value if name == "images" else round(value, 4) for name, value in values.items()}

    def __str__(self) -> str:
        points = 100 * (self.after - self.before)
        return (
            f"top-1 {100 * self.before:.1f} -> {100 * self.after:.1f} % ({points:+.1f} points, 95 % interval "
            f"[{100 * self.low:+.1f}, {100 * self.high:+.1f}]) on {self.images} images, "
            f"agreement {100 * self.agreement:.1f} %, {self.speedup:.2f} times as fast"
        )


class _Reader:
    """Calibration images in batches, as onnxruntime asks for them."""

    def __init__(self, pixels: UInt8[np.ndarray, "images height width 3"]) -> None:
        # Batches of one size: onnxruntime's histograms take no other; the last one is filled with the first images.
        size = min(_CALIBRATION_BATCH, len(pixels))
        self._batches: Iterator[np.ndarray] = (
            pixels[np.arange(start, start + size) % len(pixels)] for start in range(0, len(pixels), size)
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        batch = self.get_next()
        if batch is None:
            raise StopIteration
        return batch


def quantise(model: onnx.ModelProto, pixels: UInt8[np.ndarray, "images height width 3"], recipe: Recipe) -> onnx.ModelProto:
    """Return the network with its convolutions and matrix products in int8.

    Args:
        model: float32, as `write_graph` makes it; not changed.
        pixels: training images to find the ranges of activations on, (images, height, width, 3).
        recipe: how.

    Source: Jacob et al. 2018 (Quantization and training of neural networks), in onnxruntime's implementation.
    """
    import_onnxruntime()
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        source, prepared, written = (str(Path(folder, name)) for name in ("float.onnx", "prepared.onnx", "int8.onnx"))
        onnx.save_model(model, source)
        with _Quiet():
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
            optimised = onnx.load_model(prepared)
            quantize_static(
                prepared,
                written,
                _Reader(pixels),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_quantised_types(optimised),
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                calibrate_method=CalibrationMethod.MinMax
                if recipe.calibration == "minmax"
                else CalibrationMethod.Percentile,
                nodes_to_exclude=_excluded(optimised, recipe),
                extra_options={"CalibMovingAverage": recipe.calibration == "minmax", "CalibPercentile": 99.99},
            )
        quantised: onnx.ModelProto = onnx.load_model(written)
    quantised.ClearField("metadata_props")
    quantised.graph.ClearField("value_info")
    quantised.producer_name, quantised.producer_version = "tlcore", ""
    return quantised


def compare(before: Sequence[int], after: Sequence[int], labels: Sequence[int], speedup: float) -> Change:
    """Compare two networks' classes on the same labelled images.

    Source of the interval: Agresti and Min 2005, for a difference of paired shares (half a count added to each of the four).
    """
    first, second, truth = (np.asarray(values) for values in (before, after, labels))
    was, now = first == truth, second == truth
    low, high = _paired_interval(was, now)
    return Change(
        images=len(truth),
        before=float(was.mean()),
        after=float(now.mean()),
        low=low,
        high=high,
        agreement=float((first == second).mean()),
        speedup=speedup,
    )


def speed_ratio(first: Any, second: Any, pixels: UInt8[np.ndarray, "images height width 3"]) -> float:
    """Return the first session's processor time over the second's for one image, medians of runs taken in turn.

    Both sessions must run in the calling thread alone (``threads=1``), so that other work on the machine does not count.
    """
    names = ["probabilities"]
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(_TIMED_RUNS + 3):
        inputs = {INPUT: pixels[turn % len(pixels)][np.newaxis]}
        for session, kept in zip((first, second), times, strict=True):
            started = time.thread_time()
            session.run(names, inputs)
            if turn >= 3:
                kept.append(time.thread_time() - started)
    return float(np.median(times[0]) / np.median(times[1]))


def _paired_interval(was: Bool[np.ndarray, " images"], now: Bool[np.ndarray, " images"]) -> tuple[float, float]:
    gained, lost = float((now & ~was).sum()) + 0.5, float((was & ~now).sum()) + 0.5
    total = len(was) + 2.0
    difference = (gained - lost) / total
    deviation = float(np.sqrt(max(0.0, gained + lost - (gained - lost) ** 2 / total))) / total
    return difference - 1.96 * deviation, difference + 1.96 * deviation


_TYPES = ("Conv", "Gemm", "MatMul", "Add", "Clip", "Relu", "MaxPool", "AveragePool", "Concat", "GlobalAveragePool")


def _quantised_types(model: onnx.ModelProto) -> list[str]:
    present = {node.op_type for node in model.graph.node}
    return [name for name in _TYPES if name in present]


def _excluded(model: onnx.ModelProto, recipe: Recipe) -> list[str]:
    """Name the nodes that stay float: normalisation, everything after the features, and the first layer if asked."""
    nodes = list(model.graph.node)
    first = next(index for index, node in enumerate(nodes) if node.op_type in ("Conv", "Gemm", "MatMul"))
    features = next(index for index, node in enumerate(nodes) if "features" in node.output)
    excluded = {index for index in range(len(nodes)) if index < first or index > features}
    if recipe.float_first:
        excluded.add(first)
    return [nodes[index].name for index in sorted(excluded)]


class _Quiet:
    """Keep onnxruntime's quantiser from printing and from logging through the root logger while it runs."""

    def __enter__(self) -> None:
        self._level = logging.root.manager.disable
        logging.disable(logging.WARNING)
        self._stdout = contextlib.redirect_stdout(io.StringIO())
        self._stdout.__enter__()

    def __exit__(self, *error: object) -> None:
        self._stdout.__exit__(None, None, None)
        logging.disable(self._level)
