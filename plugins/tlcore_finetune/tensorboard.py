"""An observer that writes curves for TensorBoard."""

from __future__ import annotations

from typing import Any

from tlcore.errors import FineTuneError
from tlcore.observer import Observer, TrainingEvent
from tlcore.specs import NoOptions

FOLDER = "tensorboard"


def create(argument: str | None, options: NoOptions) -> TensorBoard:
    """Make the observer."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise FineTuneError(
            "the observer 'tensorboard' needs the package 'tensorboard': pip install 'tlcore[tensorboard]'"
        ) from error
    return TensorBoard(SummaryWriter)


class TensorBoard(Observer):
    """Writes each number as a curve over updates to ``tensorboard/`` in the run's folder.

    Args:
        writer_type: makes the writer, when the run starts and its folder is known.
    """

    def __init__(self, writer_type: Any) -> None:
        self._writer_type = writer_type
        self._writer: Any = None

    def observe(self, event: TrainingEvent) -> None:
        if event.kind == "started":
            # Steps that an earlier, killed process wrote after the checkpoint are dropped from the curves.
            self._writer = self._writer_type(str(event.directory / FOLDER), purge_step=event.step + 1)
        if self._writer is None:
            return
        for name, value in event.values.items():
            self._writer.add_scalar(f"{event.kind}/{name}", value, event.step)
        if event.kind in ("finished", "stopped"):
            self._writer.close()
            self._writer = None
