"""Observers: listeners to a fine-tuning run. What one does, or fails to do, never changes the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

EventKind = Literal["started", "step", "epoch", "finished", "stopped"]


@dataclass(frozen=True, kw_only=True)
class TrainingEvent:
    """Something that happened in a run, in plain values.

    Attributes:
        kind: ``"started"`` (first, also where a run goes on), ``"step"`` after each update of the weights, ``"epoch"`` after
            each pass and its measuring, and last ``"finished"``, or ``"stopped"`` where an error or a person ended it.
        directory: the run's folder, for what an observer writes.
        step: how many updates are done.
        epoch: how many passes over the training images are done.
        values: numbers by name, for instance ``loss``, ``learning_rate``, ``images_per_second``, ``validation_log_loss``.
        record: with ``"started"`` how the run was asked for, with ``"finished"`` what came out; JSON-ready.
    """

    kind: EventKind
    directory: Path
    step: int = 0
    epoch: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


class Observer(ABC):
    """A listener to fine-tuning: a log, a dashboard. A plugin's subclass writes `observe`."""

    @abstractmethod
    def observe(self, event: TrainingEvent) -> None:
        """Take note of an event; called in the main process alone, from the thread that trains, so it should be quick."""


class Observers:
    """Several observers as one. The first exception of one is noted with its name, and it is not called again.

    Args:
        observers: name to observer.
    """

    def __init__(self, observers: Mapping[str, Observer]) -> None:
        self._listening = dict(observers)
        self._notes: list[str] = []

    @property
    def notes(self) -> Sequence[str]:
        """Which observers failed and how, one line each."""
        return tuple(self._notes)

    def __call__(self, event: TrainingEvent) -> None:
        """Tell every observer that has not failed."""
        for name, observer in list(self._listening.items()):
            try:
                observer.observe(event)
            except KeyboardInterrupt:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001  the plugin boundary
                del self._listening[name]
                told = " ".join(str(error).split())
                self._notes.append(
                    f"observer {name} failed at step {event.step} and was not called again: {type(error).__name__}: {told}"
                )
