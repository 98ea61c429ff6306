"""Transfer learning for images that anyone can extend by installing a package.

Nothing is imported until it is used, and importing tlcore changes nothing in the process.

>>> import tlcore
>>> tlcore.Preprocess(image_size=(224, 224)).crop_fraction
0.875
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlcore.version import __version__

if TYPE_CHECKING:
    from tlcore.audit import AuditReport as AuditReport
    from tlcore.audit import audit_dataset as audit_dataset
    from tlcore.backbone import Backbone as Backbone
    from tlcore.backbone import BackboneInfo as BackboneInfo
    from tlcore.backbone import NetworkFiles as NetworkFiles
    from tlcore.bundle import Bundle as Bundle
    from tlcore.bundle import load_bundle as load_bundle
    from tlcore.comparison import CompareOptions as CompareOptions
    from tlcore.comparison import Comparison as Comparison
    from tlcore.comparison import compare as compare
    from tlcore.data.splits import SplitFractions as SplitFractions
    from tlcore.data.splits import split_dataset as split_dataset
    from tlcore.dataset import Dataset as Dataset
    from tlcore.dataset import LeftOut as LeftOut
    from tlcore.dataset import Sample as Sample
    from tlcore.errors import TlcoreError as TlcoreError
    from tlcore.evaluation import Evaluation as Evaluation
    from tlcore.evaluation import evaluate as evaluate
    from tlcore.export import ExportOptions as ExportOptions
    from tlcore.export import ExportResult as ExportResult
    from tlcore.export import export_onnx as export_onnx
    from tlcore.exported.classifier import Classifier as Classifier
    from tlcore.features import FeatureSet as FeatureSet
    from tlcore.features import extract_features as extract_features
    from tlcore.features.feature_cache import FeatureCache as FeatureCache
    from tlcore.fine_tuner import FineTuner as FineTuner
    from tlcore.fine_tuner import FineTuneResult as FineTuneResult
    from tlcore.fine_tuner import FineTuneTask as FineTuneTask
    from tlcore.head import FittedHead as FittedHead
    from tlcore.head import Head as Head
    from tlcore.head import HeadData as HeadData
    from tlcore.head import HeadFit as HeadFit
    from tlcore.hookspecs import hookimpl as hookimpl
    from tlcore.learning_curve import LearningCurve as LearningCurve
    from tlcore.learning_curve import LearningCurveOptions as LearningCurveOptions
    from tlcore.learning_curve import draw_learning_curve as draw_learning_curve
    from tlcore.metrics import Metrics as Metrics
    from tlcore.observer import Observer as Observer
    from tlcore.observer import TrainingEvent as TrainingEvent
    from tlcore.prediction import Prediction as Prediction
    from tlcore.prediction import predict as predict
    from tlcore.preprocess import Preprocess as Preprocess
    from tlcore.progress import ProgressEvent as ProgressEvent
    from tlcore.registry import Registry as Registry
    from tlcore.specs import BackboneIdentity as BackboneIdentity
    from tlcore.specs import BackboneSpec as BackboneSpec
    from tlcore.specs import DatasetSpec as DatasetSpec
    from tlcore.specs import FineTuneSpec as FineTuneSpec
    from tlcore.specs import HeadSpec as HeadSpec
    from tlcore.specs import ObserverSpec as ObserverSpec
    from tlcore.specs import VisualizerSpec as VisualizerSpec
    from tlcore.training import TrainOptions as TrainOptions
    from tlcore.training import TrainResult as TrainResult
    from tlcore.training import train as train
    from tlcore.visualization import VisualizeOptions as VisualizeOptions
    from tlcore.visualization import save_visualization as save_visualization
    from tlcore.visualization import visualize as visualize
    from tlcore.visualizer import Picture as Picture
    from tlcore.visualizer import Subject as Subject
    from tlcore.visualizer import Visualization as Visualization
    from tlcore.visualizer import VisualizationRequest as VisualizationRequest
    from tlcore.visualizer import Visualizer as Visualizer

PUBLIC = {
    "audit": ("AuditReport", "audit_dataset"),
    "backbone": ("Backbone", "BackboneInfo", "NetworkFiles"),
    "bundle": ("Bundle", "load_bundle"),
    "comparison": ("CompareOptions", "Comparison", "compare"),
    "data.splits": ("SplitFractions", "split_dataset"),
    "dataset": ("Dataset", "LeftOut", "Sample"),
    "errors": ("TlcoreError",),
    "evaluation": ("Evaluation", "evaluate"),
    "export": ("ExportOptions", "ExportResult", "export_onnx"),
    "exported.classifier": ("Classifier",),
    "features": ("FeatureSet", "extract_features"),
    "features.feature_cache": ("FeatureCache",),
    "fine_tuner": ("FineTuneResult", "FineTuneTask", "FineTuner"),
    "head": ("FittedHead", "Head", "HeadData", "HeadFit"),
    "hookspecs": ("hookimpl",),
    "learning_curve": ("LearningCurve", "LearningCurveOptions", "draw_learning_curve"),
    "metrics": ("Metrics",),
    "observer": ("Observer", "TrainingEvent"),
    "prediction": ("Prediction", "predict"),
    "preprocess": ("Preprocess",),
    "progress": ("ProgressEvent",),
    "registry": ("Registry",),
    "specs": (
        "BackboneIdentity",
        "BackboneSpec",
        "DatasetSpec",
        "FineTuneSpec",
        "HeadSpec",
        "ObserverSpec",
        "VisualizerSpec",
    ),
    "training": ("TrainOptions", "TrainResult", "train"),
    "visualization": ("VisualizeOptions", "save_visualization", "visualize"),
    "visualizer": ("Picture", "Subject", "Visualization", "VisualizationRequest", "Visualizer"),
}
"""Module to the public names it holds."""

_HOME_OF = {name: module for module, names in PUBLIC.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tlcore' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"tlcore.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
