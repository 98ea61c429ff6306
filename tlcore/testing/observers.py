"""The contract of observers as checks."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tlcore.observer import EventKind, Observer, TrainingEvent
from tlcore.testing.conformance import Conformance, expect


class ObserverConformance(Conformance):
    """Checks of an observer, told of runs that did not happen; see `Conformance` for how to use it."""

    kind = "observer"

    @property
    def subject(self) -> Observer:
        """The observer under test."""
        made: Observer = super().subject
        return made

    def use(self) -> None:
        """Tell it of a run."""
        with tempfile.TemporaryDirectory() as directory:
            _tell(self.make(), Path(directory), ["started", "epoch", "step", "step", "epoch", "finished"])

    def test_takes_a_run(self) -> None:
        """It takes every event of a run, and of a second one in another folder."""
        observer = self.make()
        for _ in range(2):
            with tempfile.TemporaryDirectory() as directory:
                _tell(observer, Path(directory), ["started", "epoch", "step", "step", "epoch", "finished"])

    def test_takes_a_run_that_goes_on(self) -> None:
        """A run that was stopped may be gone on with, in the same folder, by a fresh observer."""
        with tempfile.TemporaryDirectory() as directory:
            _tell(self.make(), Path(directory), ["started", "epoch", "step", "stopped"])
            _tell(self.make(), Path(directory), ["started", "step", "epoch", "finished"], first_step=1)

    def test_takes_numbers_of_any_name(self) -> None:
        """Events of other fine-tuners tell other numbers, and none at all."""
        with tempfile.TemporaryDirectory() as directory:
            observer = self.make()
            _tell(observer, Path(directory), ["started"])
            for values in ({}, {"temperature/μ": 1e-30}, {"a b": -1.0}):
                observer.observe(TrainingEvent(kind="step", directory=Path(directory), step=1, values=values))
            _tell(observer, Path(directory), ["finished"])

    def test_is_quick(self) -> None:
        """A hundred updates are noted in less than a second."""
        import time

        with tempfile.TemporaryDirectory() as directory:
            observer = self.make()
            _tell(observer, Path(directory), ["started"])
            started = time.process_time()
            _tell(observer, Path(directory), ["step"] * 100)
            seconds = time.process_time() - started
            _tell(observer, Path(directory), ["finished"])
        expect(seconds < 1, f"{self.name}: took {seconds:.1f} s for a hundred updates; note them, and do the rest elsewhere")


def _tell(observer: Observer, directory: Path, kinds: Sequence[EventKind], first_step: int = 0) -> None:
    step, epoch = first_step, 0
    for kind in kinds:
        step += kind == "step"
        epoch += kind == "epoch"
        values = {"loss": 1.0 / (1 + step), "learning_rate": 1e-3} if kind in ("step", "epoch") else {}
        record = {"options": {"epochs": 3}} if kind in ("started", "finished") else {}
        observer.observe(TrainingEvent(kind=kind, directory=directory, step=step, epoch=epoch, values=values, record=record))
