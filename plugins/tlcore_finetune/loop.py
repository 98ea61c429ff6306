"""The training loop: updates, measuring after each epoch, early stopping, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from tlcore.fine_tuner import FineTuneTask, Observe
from tlcore.observer import EventKind, TrainingEvent
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress, ProgressEvent
from tlcore_finetune import checkpoint
from tlcore_finetune.images import TrainingImages, epoch_batches, load, plain_inputs
from tlcore_finetune.measuring import measured_logits, validation_values
from tlcore_finetune.network import re_estimate
from tlcore_finetune.optimisation import Averaging, Schedule
from tlcore_finetune.options import FineTuneOptions
from tlcore_finetune.update import Updates

_RE_ESTIMATED_ON = 1000
"""Training images that batch norm's statistics are computed anew from."""


@dataclass(kw_only=True)
class RunState:
    """How far a run is; with the tensors, all that a checkpoint holds.

    Attributes:
        step: updates done.
        epoch: epochs done and measured.
        parts: that a process computes its share of a batch in.
        best_epoch, best_score: what did best on the validation images; epoch 0 is the start. Lower scores are better.
        stopped: why it ended early, or an empty text.
        history: what was measured after each epoch.
    """

    step: int = 0
    epoch: int = 0
    parts: int = 1
    best_epoch: int = 0
    best_score: float | None = None
    stopped: str = ""
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(kw_only=True)
class Run:
    """What the loop works with; `tlcore_finetune.tuner` puts it together.

    Attributes:
        best: the weights that did best so far.
        saved_at: when the last checkpoint was written, by `time.monotonic`.
        updating: True while the weights are between two updates and must not be saved.
    """

    task: FineTuneTask
    digest: str
    options: FineTuneOptions
    preprocess: Preprocess
    accelerator: Accelerator
    network: torch.nn.Module
    images: TrainingImages
    batch_size: int
    steps_per_epoch: int
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    updates: Updates
    averaging: Averaging | None
    begin_epoch: Callable[[int], None]
    observe: Observe
    progress: Progress
    state: RunState
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)
    updating: bool = False

    def candidate(self) -> torch.nn.Module:
        """Return the network that is measured and kept: the averaged one where there is an average."""
        return self.network if self.averaging is None else self.averaging.module

    def tell(self, kind: EventKind, values: dict[str, float], record: dict[str, Any] | None = None) -> None:
        """Tell the observers, from the main process."""
        if self.accelerator.is_main_process:
            state, directory = self.state, self.task.directory
            event = TrainingEvent(
                kind=kind, directory=directory, step=state.step, epoch=state.epoch, values=values, record=record or {}
            )
            self.observe(event)

    def save(self) -> None:
        """Write a checkpoint, from the main process."""
        if self.accelerator.is_main_process:
            tensors, rest = checkpoint.optimizer_state(self.optimizer)
            groups = {"network": self.network.state_dict(), "best": self.best, "optimizer": tensors}
            if self.averaging is not None:
                groups["averaged"] = self.averaging.module.state_dict()
            scaler = self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else None
            self.state.parts = self.updates.parts
            document = {"task": self.digest, "run": asdict(self.state), "optimizer": rest, "scaler": scaler}
            checkpoint.save(self.task.directory, groups, document)
        self.saved_at = time.monotonic()


def train(run: Run) -> None:
    """Train until the last epoch, or until it stops; `run.best` then holds the weights to keep.

    Whatever ends it early leaves a checkpoint of the last finished update; killed outright, there is the one before.
    """
    state = run.state
    try:
        if state.best_score is None:
            _measure(run)
        while state.epoch < run.options.epochs and not state.stopped:
            _train_epoch(run)
            if not state.stopped:
                _measure(run)
    except BaseException:
        if not run.updating:
            run.save()
        run.tell("stopped", {})
        raise
    run.save()


def _train_epoch(run: Run) -> None:
    state, options = run.state, run.options
    run.begin_epoch(state.epoch)
    run.updates.prepare()
    processes, process = run.accelerator.num_processes, run.accelerator.process_index
    batches = epoch_batches(
        len(run.task.train), run.batch_size, run.task.seed, state.epoch, process=process, processes=processes
    )
    first = state.step - state.epoch * run.steps_per_epoch
    started = time.monotonic()
    for inputs, labels in load(run.images, batches[first:], options.workers):
        rate = run.schedule.set(state.step)
        updated = run.updates.compute_gradients(inputs, labels, state.step)
        if not math.isfinite(updated.loss):
            state.stopped = f"the loss became {updated.loss} at update {state.step + 1}"
            return
        _apply(run)
        now = time.monotonic()
        speed = run.batch_size / max(now - started, 1e-9)
        started = now
        norm = updated.gradient_norm if math.isfinite(updated.gradient_norm) else 0.0
        values = {"loss": updated.loss, "learning_rate": rate, "gradient_norm": norm, "images_per_second": speed}
        run.tell("step", values)
        if now - run.saved_at >= options.checkpoint_seconds:
            run.save()
        detail = f"epoch {state.epoch + 1}  loss {updated.loss:.3f}  rate {rate:.1e}  {speed:.0f} images/s"
        run.progress(ProgressEvent("fine-tuning", state.step, options.epochs * run.steps_per_epoch, detail))


def _apply(run: Run) -> None:
    """Do one update whole, with the average of the weights and the count."""
    run.updating = True
    run.updates.apply()
    if run.averaging is not None:
        run.averaging.update(run.network, run.state.step + 1)
    run.state.step += 1
    run.updating = False


def _measure(run: Run) -> None:
    """Measure the candidate on the validation images, and keep it if it is the best; before the first epoch, the start."""
    state, options = run.state, run.options
    epoch = 0 if state.best_score is None else state.epoch + 1
    candidate = run.candidate()
    if options.batch_norm == "re-estimated" and epoch:
        every = max(1, len(run.task.train) // _RE_ESTIMATED_ON)
        re_estimate(candidate, plain_inputs(run.task.train[::every], run.preprocess), run.accelerator.device)
    values: dict[str, float] = {}
    score = -float(epoch)  # without validation images the last epoch counts as the best
    if run.task.validation:
        classes = len(run.task.class_names)
        logits = measured_logits(candidate, run.task.validation, run.preprocess, classes, run.accelerator)
        if not np.isfinite(logits).all():
            state.stopped = f"the network's outputs were no longer finite after epoch {epoch}"
            return
        values = validation_values(logits, np.array([sample.label for sample in run.task.validation]))
        score = values["validation_log_loss"] if options.monitor == "log_loss" else -values["validation_accuracy"]
    better = state.best_score is None or score < state.best_score or not options.restore_best
    if better:
        run.best = {name: tensor.detach().cpu().clone() for name, tensor in candidate.state_dict().items()}
        state.best_score, state.best_epoch = score, epoch
    state.epoch = epoch
    state.history.append({"epoch": float(epoch), **values})
    waited = epoch - state.best_epoch
    if options.patience is not None and run.task.validation and waited >= options.patience and epoch < options.epochs:
        state.stopped = f"no improvement on the validation images for {waited} epochs"
    run.tell("epoch", values)
