"""Exporting a bundle as one ONNX file that is proven to give the bundle's answers. Imports torch when it exports."""

from tlcore.export.exporting import ExportOptions, ExportResult, export_onnx

__all__ = ["ExportOptions", "ExportResult", "export_onnx"]
