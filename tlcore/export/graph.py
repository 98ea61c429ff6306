"""From a torch module to the bytes of one ONNX file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import torch

from tlcore.errors import ExportError
from tlcore.exported.onnx_file import INPUT

_LARGEST = 2_000_000_000
"""Bytes: protobuf holds no more than 2 GB, and a larger network would need a second file."""


@dataclass(frozen=True)
class WrittenGraph:
    """An ONNX network that was written and checked.

    Attributes:
        model: as onnx holds it, without paths or names of the machine it was made on.
        exporter: ``"dynamo"`` or ``"legacy"``.
        fallback_reason: why the legacy exporter was used, or empty.
    """

    model: onnx.ModelProto
    exporter: str
    fallback_reason: str


def write_graph(
    network: torch.nn.Module, image_size: tuple[int, int], outputs: Sequence[str], opset: int, *, quick: bool = False
) -> WrittenGraph:
    """Export a module that takes uint8 (images, height, width, 3), with any number of images.

    The dynamo exporter is tried first, then the legacy one.

    Args:
        network: in evaluation mode.
        image_size: (height, width) in pixels.
        outputs: name of each tensor it returns.
        opset: of ONNX.
        quick: try the legacy exporter first, which takes a third of the time but follows one run of the network, so that
            the caller must compare answers.

    Raises:
        ExportError: neither exporter can, the opset is another than asked for, or the network is over 2 GB.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > _LARGEST:
        raise ExportError(f"the network holds {size / 1e9:.1f} GB of weights; one ONNX file holds at most 2 GB")
    example = torch.zeros((2, *image_size, 3), dtype=torch.uint8)
    names = list(outputs)
    first, second = (_legacy, _dynamo) if quick else (_dynamo, _legacy)
    names_of = {_dynamo: "dynamo", _legacy: "legacy"}
    reason = ""
    try:
        model, exporter = first(network, example, names, opset), names_of[first]
    except Exception as error:  # noqa: BLE001  the exporter raises whatever the network's own code does under tracing
        reason = _told(error)
        try:
            model, exporter = second(network, example, names, opset), names_of[second]
        except Exception as last:  # as above
            told = f"{names_of[first]}: {reason}; {names_of[second]}: {_told(last)}"
            raise ExportError(f"torch cannot export this network; {told}") from last
    _tidy(model)
    _check(model, opset, names)
    return WrittenGraph(model, exporter, reason)


def _dynamo(network: torch.nn.Module, example: torch.Tensor, names: list[str], opset: int) -> onnx.ModelProto:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=names,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def _legacy(network: torch.nn.Module, example: torch.Tensor, names: list[str], opset: int) -> onnx.ModelProto:
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            written,  # type: ignore[arg-type]
            dynamo=False,
            input_names=[INPUT],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in [INPUT, *names]},
            opset_version=opset,
        )
    return onnx.load_model_from_string(written.getvalue())


def _tidy(model: onnx.ModelProto) -> None:
    """Take out what tells of the machine (source paths in the nodes' notes) and name the writer."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for holder in (model, model.graph):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.graph.ClearField("value_info")
    model.graph.name = "classifier"
    model.producer_name, model.producer_version = "tlcore", ""


def _check(model: onnx.ModelProto, opset: int, names: list[str]) -> None:
    onnx.checker.check_model(model)
    written = {entry.domain: entry.version for entry in model.opset_import}
    if written.get("", written.get("ai.onnx")) != opset:
        raise ExportError(f"asked for ONNX opset {opset}, the exporter wrote {written}; choose an opset it writes")
    if [entry.name for entry in model.graph.output] != names:
        raise ExportError(f"the exporter wrote the outputs {[entry.name for entry in model.graph.output]}, asked: {names}")
    for entry in [*model.graph.input, *model.graph.output]:
        first = entry.type.tensor_type.shape.dim[0]
        if not first.dim_param:
            raise ExportError(f"the exporter fixed the number of images of {entry.name!r} to {first.dim_value}")


def _told(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
