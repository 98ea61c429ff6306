"""Every error tlcore raises on purpose: `TlcoreError` and its kinds.

A message names what was expected, what came, from which file or plugin, and what to do now. The command line
prints it as one line and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TlcoreError(Exception):
    """The base of all errors that tell the caller what to mend."""


class OptionError(TlcoreError):
    """An option is unknown, of the wrong type or out of its range."""


class UnknownNameError(TlcoreError):
    """No plugin offers the backbone, dataset, head or visualizer that was asked for."""


class NameConflictError(TlcoreError):
    """Several plugins offer the name that was asked for."""


class PluginError(TlcoreError):
    """A plugin failed, or returned something else than its contract says."""


class ImageError(TlcoreError):
    """An image cannot be read: not an image, truncated, too large, or not permitted."""


class DatasetError(TlcoreError):
    """A dataset is missing, empty or cannot be trained on."""


class DownloadError(TlcoreError):
    """A file cannot be fetched, or is not what it should be; what was there before is still there."""


class BackboneError(TlcoreError):
    """A backbone cannot be made or its weights cannot be had."""


class WeightsUnavailableError(BackboneError):
    """Pretrained weights are neither here nor can be fetched: there is no network, or it is not to be used."""


class HeadError(TlcoreError):
    """A head cannot be fitted on the features it was given."""


class FineTuneError(TlcoreError):
    """A network cannot be fine-tuned as asked, or a run cannot be gone on with."""


class BundleError(TlcoreError):
    """A bundle is missing, damaged, made by a newer version, or cannot be written."""


class ExportError(TlcoreError):
    """A bundle cannot be exported, or the exported file does not give the bundle's answers."""


class ModelFileError(TlcoreError):
    """An exported model file is missing, damaged, altered, or not one tlcore can run."""


class MissingRecordError(ModelFileError):
    """An ONNX file says nothing of how images become its input: tlcore did not write it."""


class VisualizationError(TlcoreError):
    """A network cannot be looked into as asked, or the pictures cannot be written."""


class ServerError(TlcoreError):
    """The server cannot be started as asked."""


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the closest known name, or an empty string.

    >>> did_you_mean("resnet81", ["resnet18", "vgg16"])
    "; did you mean 'resnet18'?"
    >>> did_you_mean("zzz", ["resnet18"])
    ''
    """
    candidates = list(known)
    close = get_close_matches(asked, candidates, n=1, cutoff=0.6)
    if not close:
        lowered = {name.lower(): name for name in candidates}
        close = [lowered[name] for name in get_close_matches(asked.lower(), lowered, n=1, cutoff=0.6)]
    return f"; did you mean {close[0]!r}?" if close else ""
