"""The conformance kit: what every plugin object must keep, as checks that run under pytest or by `tl plugins check`.

Examples:
    >>> from tlcore.testing import HeadConformance
    >>> class TestLinear(HeadConformance):
    ...     name = "linear"

Subclass in a test module, name what is tested, and pytest runs every check against it.
"""

from __future__ import annotations

from tlcore.testing.backbones import BackboneConformance
from tlcore.testing.commands import CommandConformance
from tlcore.testing.conformance import CheckResult, CheckSkipped, Conformance, ConformanceFailure, check_names, run_checks
from tlcore.testing.datasets import DatasetConformance
from tlcore.testing.finetunes import FineTuneConformance
from tlcore.testing.heads import HeadConformance
from tlcore.testing.listing import HEAVY_MODULES, ListingReport, measure_listing
from tlcore.testing.observers import ObserverConformance
from tlcore.testing.plugin import PluginConformance
from tlcore.testing.visualizers import VisualizerConformance

__all__ = [
    "HEAVY_MODULES",
    "BackboneConformance",
    "CheckResult",
    "CheckSkipped",
    "CommandConformance",
    "Conformance",
    "ConformanceFailure",
    "DatasetConformance",
    "FineTuneConformance",
    "HeadConformance",
    "ListingReport",
    "ObserverConformance",
    "PluginConformance",
    "VisualizerConformance",
    "check_names",
    "measure_listing",
    "run_checks",
]
