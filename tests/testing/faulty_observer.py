"""An observer that counts, with a fault on request."""

from __future__ import annotations

import os
import time

from faulty_plugin import Faulty

from tlcore.observer import Observer, TrainingEvent


def create(argument: str | None, options: Faulty) -> Counter:
    """Make the observer."""
    return Counter(options.fault)


class Counter(Observer):
    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._runs = 0

    def observe(self, event: TrainingEvent) -> None:
        fault = self._fault
        if event.kind == "started":
            self._runs += 1
            if fault == "one-run" and self._runs > 1:
                raise RuntimeError("has one run already")
            (event.directory / "count").mkdir(exist_ok=fault != "one-start")
        if fault == "environment":
            os.environ["COUNTED"] = str(self._runs)
        if fault == "needs-loss" and event.kind == "step":
            event.values["loss"]
        if fault == "slow":
            started = time.process_time()
            while time.process_time() - started < 0.02:
                pass
