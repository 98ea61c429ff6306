"""Fine-tuning behind tlcore's `FineTuner` contract.

Source: Kumar et al. 2022, Fine-tuning can distort pretrained features and underperform out-of-distribution (LP-FT: first the
linear head, then the network from there on).
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, is_initialized

from tlcore.errors import FineTuneError
from tlcore.fine_tuner import FineTuner, FineTuneResult, FineTuneTask, LearningRates, Observe
from tlcore.machine.processes import process_count
from tlcore.observer import Observers
from tlcore.progress import Progress
from tlcore_finetune import checkpoint
from tlcore_finetune.images import TrainingImages, batch_size, normalised_by
from tlcore_finetune.loop import Run, RunState, train
from tlcore_finetune.network import (
    add_dropout,
    stages,
    stages_at,
    start_classifier,
    train_stages,
    with_additions,
    without_additions,
)
from tlcore_finetune.optimisation import Averaging, Schedule, learning_rate, make_optimizer
from tlcore_finetune.options import FineTuneOptions, GradualOptions, LoraOptions
from tlcore_finetune.seeding import process_put_back
from tlcore_finetune.update import Updates, class_weights

Way = Literal["last-block", "gradual", "full", "lora"]


def last_block(argument: str | None, options: FineTuneOptions) -> NetworkTuner:
    """Make the fine-tuner of the last block."""
    return NetworkTuner("last-block", options)


def gradual(argument: str | None, options: GradualOptions) -> NetworkTuner:
    """Make the fine-tuner that lets one block more learn after the other."""
    return NetworkTuner("gradual", options)


def full(argument: str | None, options: FineTuneOptions) -> NetworkTuner:
    """Make the fine-tuner of every layer."""
    return NetworkTuner("full", options)


def lora(argument: str | None, options: LoraOptions) -> NetworkTuner:
    """Make the fine-tuner of low-rank additions."""
    return NetworkTuner("lora", options)


class NetworkTuner(FineTuner):
    """Trains a torch network; see the module's text.

    Args:
        way: which layers learn.
        options: everything else.
    """

    def __init__(self, way: Way, options: FineTuneOptions) -> None:
        self._way = way
        self._options = options

    def compute(self, task: FineTuneTask, *, observe: Observe, progress: Progress) -> FineTuneResult:
        with process_put_back(), _accelerator(self._options) as accelerator:
            run = self._begin(task, accelerator, observe, progress)
            run.tell("started", {}, {"finetune": self._way, "options": asdict(self._options), "images": len(task.train)})
            train(run)
            run.network.load_state_dict(run.best)
            trained = without_additions(run.network) if self._way == "lora" else run.network
            task.network.load_state_dict(trained.cpu().state_dict())
            record = self._record(run)
            run.tell("finished", {}, record)
        notes = (*run.updates.notes, *_told(run.state, self._options))
        return FineTuneResult(network=task.network.eval(), preprocess=run.preprocess, record=record, notes=notes)

    def compute_rates(self, task: FineTuneTask, *, steps: int, progress: Progress) -> LearningRates:
        from tlcore_finetune.rates import try_rates

        with process_put_back(), _accelerator(self._options) as accelerator:
            run = self._begin(task, accelerator, Observers({}), progress)
            return try_rates(run, steps)

    def _begin(self, task: FineTuneTask, accelerator: Accelerator, observe: Observe, progress: Progress) -> Run:
        """Put everything together, as it was at the run's checkpoint where there is one."""
        options, seed = self._options, task.seed
        preprocess = normalised_by(task.train, task.preprocess, options)
        network = self._network(task).to(accelerator.device)
        layered = self._way != "lora" and len(stages(network)) > 1
        optimizer = make_optimizer(network, options, layer_decay=layered)
        size = batch_size(len(task.train), options.batch_size, accelerator.num_processes)
        steps_per_epoch = -(-len(task.train) // size)
        averaging = Averaging(network, options, options.epochs, steps_per_epoch) if options.averaging != "none" else None
        digest = _digest(self._way, task, options, size)
        found = checkpoint.load(task.directory, digest)
        state = RunState(**found[1]["run"]) if found is not None else RunState(parts=options.accumulate)
        labels = [sample.label for sample in task.train]
        updates = Updates(
            network,
            optimizer,
            accelerator,
            options,
            class_weights=class_weights(labels, len(task.class_names), options.class_weight == "balanced"),
            batch_size=size,
            seed=seed,
            parts=state.parts,
        )
        run = Run(
            task=task,
            digest=digest,
            options=options,
            preprocess=preprocess,
            accelerator=accelerator,
            network=network,
            images=TrainingImages(task.train, preprocess, options, seed),
            batch_size=size,
            steps_per_epoch=steps_per_epoch,
            optimizer=optimizer,
            schedule=Schedule(optimizer, options, options.epochs * steps_per_epoch),
            updates=updates,
            averaging=averaging,
            begin_epoch=self._epoch_beginner(network),
            observe=observe,
            progress=progress,
            state=state,
        )
        if found is not None:
            _restore(run, *found)
        return run

    def _network(self, task: FineTuneTask) -> torch.nn.Module:
        """Return a copy of the task's network with what is to learn chosen; the task's own takes the result in."""
        network = copy.deepcopy(task.network)
        start_classifier(network, self._options, task.seed)
        add_dropout(network, self._options.dropout)
        if isinstance(self._options, LoraOptions):
            return with_additions(network, self._options)
        groups = stages(network)
        train_stages(network, groups, 2 if self._way == "last-block" else len(groups))
        return network

    def _epoch_beginner(self, network: torch.nn.Module) -> Any:
        """Return what is done before each epoch: with gradual unfreezing, letting one more block learn."""
        options = self._options
        if not isinstance(options, GradualOptions):
            return lambda _epoch: None
        groups = stages(network)
        return lambda epoch: train_stages(
            network, groups, stages_at(epoch, options.epochs, options.unfrozen_by, len(groups))
        )

    def _record(self, run: Run) -> dict[str, Any]:
        state = run.state
        return {
            "epochs": state.epoch,
            "updates": state.step,
            "best_epoch": state.best_epoch,
            "batch_size": run.batch_size,
            "learning_rate": learning_rate(self._options),
            "processes": run.accelerator.num_processes,
            "device": run.accelerator.device.type,
            "precision": str(run.accelerator.mixed_precision),
            "stopped": state.stopped,
            "history": state.history,
            "settings": asdict(self._options),
        }


def _restore(run: Run, tensors: dict[str, dict[str, torch.Tensor]], state: dict[str, Any]) -> None:
    run.network.load_state_dict(tensors["network"])
    run.best = tensors.get("best", {})
    checkpoint.restore_optimizer(run.optimizer, tensors.get("optimizer", {}), state["optimizer"])
    if run.averaging is not None:
        run.averaging.module.load_state_dict(tensors["averaged"])
    if run.accelerator.scaler is not None and state["scaler"] is not None:
        run.accelerator.scaler.load_state_dict(state["scaler"])


def _told(state: RunState, options: FineTuneOptions) -> Iterator[str]:
    kept = "the weights it started from" if state.best_epoch == 0 else f"the weights after epoch {state.best_epoch}"
    if state.stopped and "improvement" not in state.stopped:
        yield f"fine-tuning stopped: {state.stopped}; {kept} were kept; a lower finetune.learning_rate may help"
    elif state.stopped or (state.best_epoch < state.epoch and options.restore_best):
        yield f"fine-tuning ran {state.epoch} of {options.epochs} epochs and kept {kept}, the best on the validation images"
    if not state.stopped and state.best_epoch == 0 and options.restore_best:
        yield "no epoch did better on the validation images than the linear head alone"


def _digest(way: Way, task: FineTuneTask, options: FineTuneOptions, size: int) -> str:
    """Return a digest of all that the weights at a given update depend on."""
    free = ("workers", "checkpoint_seconds")  # these change no weight
    settings = {name: value for name, value in asdict(options).items() if name not in free}
    images = [(sample.name, sample.label) for part in (task.train, task.validation) for sample in part]
    shapes = {name: list(tensor.shape) for name, tensor in task.network.state_dict().items()}
    whole = [way, settings, size, task.seed, task.class_names, task.preprocess.to_dict(), images, shapes]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode("utf-8", "backslashreplace")).hexdigest()


@contextmanager
def _accelerator(options: FineTuneOptions) -> Iterator[Accelerator]:
    """Give accelerate's device, precision and processes; afterwards it forgets them, as it keeps one set for all."""
    if is_initialized():
        raise FineTuneError(
            "this process uses accelerate already, which keeps one setting; fine-tune in a process of its own"
        )
    cuda = torch.cuda.is_available()
    automatic = "bfloat16" if cuda and torch.cuda.is_bf16_supported() else "float32"
    asked = automatic if options.precision == "auto" else options.precision
    if asked == "float16" and not cuda:
        raise FineTuneError("finetune.precision=float16 needs a GPU; use bfloat16 or float32")
    try:
        # Left to itself, accelerate connects processes on GPUs alone.
        several = process_count() > 1
        precision = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}[asked]
        accelerator = Accelerator(mixed_precision=precision, cpu=several and not cuda)
        if accelerator.num_processes != process_count():
            raise FineTuneError(f"{process_count()} processes were started, accelerate joined {accelerator.num_processes}")
        yield accelerator
    finally:
        AcceleratorState._reset_state(True)
        GradientState._reset_state()
