"""An observer that keeps a run's events as JSON, one object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tlcore.machine.atomic import write_file
from tlcore.observer import Observer, TrainingEvent
from tlcore.specs import NoOptions

FILE = "metrics.jsonl"


def create(argument: str | None, options: NoOptions) -> JsonLines:
    """Make the observer."""
    return JsonLines()


class JsonLines(Observer):
    """Appends to ``metrics.jsonl`` in the run's folder; where a run goes on, what came after its checkpoint is taken out."""

    def observe(self, event: TrainingEvent) -> None:
        path = event.directory / FILE
        if event.kind == "started":
            kept = [line for line in _lines(path) if _step(line) <= event.step and event.step > 0]
            write_file(path, "".join(line + "\n" for line in kept).encode())
        document: dict[str, Any] = {"event": event.kind, "step": event.step, "epoch": event.epoch, **event.values}
        if event.record:
            document["record"] = event.record
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(document) + "\n")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _step(line: str) -> float:
    """Return a line's step; a line that a kill cut off belongs to no step."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
