"""An observer that writes curves for TensorBoard."""

from __future__ import annotations

from torch.utils.tensorboard import SummaryWriter

from tlcore.observer import Observer, TrainingEvent
from tlcore.specs import NoOptions

FOLDER = "tensorboard"


def create(argument: str | None, options: NoOptions) -> TensorBoard:
    """Make the observer."""
    return TensorBoard()


class TensorBoard(Observer):
    """Writes each number as a curve over updates to ``tensorboard/`` in the run's folder."""

    def __init__(self) -> None:
        self._writer: SummaryWriter | None = None

    def observe(self, event: TrainingEvent) -> None:
        if event.kind == "started":
            # Steps that an earlier, killed process wrote after the checkpoint are dropped from the curves.
            self._writer = SummaryWriter(str(event.directory / FOLDER), purge_step=event.step + 1)
        if self._writer is None:
            return
        for name, value in event.values.items():
            self._writer.add_scalar(f"{event.kind}/{name}", value, event.step)
        if event.kind in ("finished", "stopped"):
            self._writer.close()
            self._writer = None
