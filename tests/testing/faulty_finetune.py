"""A fine-tuner that moves the classifier towards the class colours, with a fault on request."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from faulty_plugin import Faulty

from tlcore.errors import FineTuneError
from tlcore.fine_tuner import CHECKPOINT_FOLDER, FineTuner, FineTuneResult, FineTuneTask, Observe
from tlcore.images import decode_image, read_image
from tlcore.observer import EventKind, TrainingEvent
from tlcore.progress import Progress, ProgressEvent

STEPS = 4


def create(argument: str | None, options: Faulty) -> ColourTuner:
    """Make the fine-tuner."""
    return ColourTuner(options.fault)


class ColourTuner(FineTuner):
    def __init__(self, fault: str) -> None:
        self._fault = fault

    def compute(self, task: FineTuneTask, *, observe: Observe, progress: Progress) -> FineTuneResult:
        fault, network = self._fault, task.network
        layer: Any = list(network.modules())[-1]
        path = task.directory / CHECKPOINT_FOLDER
        step = 0

        def tell(kind: EventKind, values: dict[str, Any], record: dict[str, Any] | None = None) -> None:
            observe(TrainingEvent(kind=kind, directory=task.directory, step=step, values=values, record=record or {}))

        if path.exists() and fault != "begins-anew":
            saved = json.loads(path.read_text())
            if saved["seed"] != task.seed and fault != "any-checkpoint":
                raise FineTuneError("two\nlines" if fault == "two-lines" else "is of another seed")
            step = saved["step"]
            with torch.no_grad():
                layer.bias.copy_(torch.tensor(saved["bias"]))
        if fault != "no-start":
            tell("started", {})
        features = self._features(task, layer)
        if fault == "seeds":
            torch.manual_seed(3)
        noise = float(np.random.default_rng().normal()) if fault == "unseeded" else 0.0
        while step < STEPS and fault != "idle":
            self._move(layer, features, task, noise)
            step += 2 if fault == "leaps" else 1
            tell("step", {"loss": float("nan") if fault == "nan" else 1.0})
            path.write_text(json.dumps({"seed": task.seed, "step": step, "bias": layer.bias.tolist()}))
            try:
                progress(ProgressEvent("colours", step, STEPS))
            except Exception:
                if fault == "forgets":
                    path.write_text(json.dumps({"seed": task.seed, "step": STEPS, "bias": layer.bias.tolist()}))
                if fault != "deaf":
                    raise
        if fault == "training":
            network.train()
        if fault == "grows":
            network.add_module("more", torch.nn.Linear(1, 1))
        if fault == "infinite":
            with torch.no_grad():
                layer.bias.fill_(float("inf"))
        tell("finished", {}, {"seed": torch.tensor(1)} if fault == "event-record" else {})
        return FineTuneResult(
            network=network, preprocess=task.preprocess, record={"steps": torch.tensor(1) if fault == "record" else step}
        )

    def _features(self, task: FineTuneTask, layer: Any) -> torch.Tensor:
        pixels = [task.preprocess.pixels(decode_image(read_image(s.image, s.name))) for s in task.train]
        kept: list[torch.Tensor] = []
        handle = layer.register_forward_pre_hook(lambda _module, inputs: kept.append(inputs[0]))
        with torch.no_grad():
            task.network(torch.from_numpy(task.preprocess.normalise(np.stack(pixels))))
        handle.remove()
        return kept[0]

    def _move(self, layer: Any, features: torch.Tensor, task: FineTuneTask, noise: float) -> None:
        """Set the weights to the class means, and the bias a step further."""
        labels = torch.tensor([sample.label for sample in task.train])
        with torch.no_grad():
            for label in range(len(layer.bias)):
                mean = features[labels == label].mean(0)
                layer.weight[label] = mean - features.mean(0)
            layer.bias += 0.01 + noise - (layer.weight @ features.mean(0)) / STEPS
