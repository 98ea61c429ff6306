"""Trains the backbone from scratch on two CPU cores, after cache.py.

`python -m tlcore_mini.training.train DATA_FOLDER CACHE_FOLDER RUN_FOLDER`
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.distributed as distributed
from timm.optim._optim_factory import create_optimizer_v2
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from tlcore.machine.memory import keep_freed
from tlcore_mini.training import checkpoint
from tlcore_mini.training.batches import Batches, BatchSettings
from tlcore_mini.training.probe import Probe
from tlcore_mini.training.student import LossSettings, Student, losses


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The whole recipe.

    `phases` are (image size in pixels, steps), run in turn; the learning rate warms up, stays, and falls linearly to zero
    over the last `decay_steps` (the trapezoid of Haegele et al. 2024, so that the length can be chosen late).
    """

    phases: tuple[tuple[int, int], ...] = ((80, 5000), (96, 5500), (112, 800))
    decay_steps: int = 4000
    warmup_steps: int = 150
    optimiser: str = "nmuon"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    average_decay: float = 0.998
    largest_gradient: float = 5.0
    seed: int = 7
    workers: int = 2
    probe_every: int = 2000
    save_every: int = 100
    batch: BatchSettings = field(default_factory=BatchSettings)
    loss: LossSettings = field(default_factory=LossSettings)

    @property
    def steps(self) -> int:
        """The length of the whole run."""
        return sum(steps for _size, steps in self.phases)

    def image_size(self, step: int) -> int:
        """The image size of one step."""
        for size, steps in self.phases:
            if step < steps:
                return size
            step -= steps
        raise ValueError("the step lies beyond the last phase")

    def rate(self, step: int) -> float:
        """The learning rate of one step."""
        rising = (step + 1) / self.warmup_steps
        falling = (self.steps - step) / self.decay_steps
        return self.learning_rate * min(1.0, rising, falling)


class Trainer:
    """One worker of a run. Every worker holds the whole student and sees its own batches; gradients are averaged before each
    step, so that all stay equal. Worker 0 also averages the weights over time, measures and saves.

    One single-threaded process for each core, because two threads that wait for each other at every operator lose most of
    their time as soon as anything else runs on the machine.
    """

    def __init__(
        self,
        data_folder: Path,
        cache_folder: Path,
        run_folder: Path,
        settings: TrainSettings,
        worker: int,
        start: Sequence[Path] = (),
    ) -> None:
        torch.set_num_threads(1)
        keep_freed()
        torch.manual_seed(settings.seed)
        self.settings, self.worker, self.run_folder = settings, worker, run_folder
        self.batches = Batches(cache_folder, settings.batch, settings.seed, worker)
        self.student = Student(self.batches.teacher_features).to(memory_format=torch.channels_last)
        if start:
            checkpoint.load_averaged(start, self.student)
        self.averaged = ModelEmaV3(self.student, decay=settings.average_decay, use_warmup=True)
        self.optimiser = create_optimizer_v2(
            self.student,
            opt=settings.optimiser,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fallback_list=("network.fc.*", "to_teachers.*", "to_quarters.*", "to_layout.*"),
        )
        self.before = checkpoint.load(run_folder, self.student, self.averaged.module, self.optimiser)
        self.curve = list(self.before.curve)
        if worker == 0:
            checkpoint.save_json(dataclasses.asdict(settings), run_folder / f"settings-from-{self.before.step}.json")
        self.recent: dict[str, float] = {}
        self.probe = Probe(data_folder) if worker == 0 else None

    def run(self) -> None:
        """Trains from the last checkpoint to the end."""
        started = time.monotonic()
        steps = range(self.before.step, self.settings.steps)
        for step, batch in zip(
            steps, self.batches.ahead((step, self.settings.image_size(step)) for step in steps), strict=True
        ):
            self._step(step, batch)
            if self.worker == 0:
                self._report(step + 1, self.settings.image_size(step), time.monotonic() - started)

    def _step(self, step: int, batch: dict[str, Tensor]) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate(step)
        terms = losses(self.student.train(), batch, self.settings.loss)
        self.optimiser.zero_grad()
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        self._average_gradients()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.settings.largest_gradient)
        self.optimiser.step()
        if self.worker == 0:
            self.averaged.update(self.student, step=step)
            for name, term in terms.items():
                value = term.item()
                self.recent[name] = 0.98 * self.recent.get(name, value) + 0.02 * value

    def _average_gradients(self) -> None:
        gradients = [parameter.grad for parameter in self.student.parameters() if parameter.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(together)
        together /= self.settings.workers
        parts = torch.split(together, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _report(self, done: int, image_size: int, elapsed: float) -> None:
        settings, last = self.settings, done == self.settings.steps
        seconds = self.before.seconds + elapsed
        if done % 50 == 0:
            terms = " ".join(f"{name} {value:.3f}" for name, value in self.recent.items())
            rate = (done - self.before.step) / elapsed
            print(f"step {done}/{settings.steps} size {image_size} {seconds:.0f} s {rate:.2f} steps/s {terms}", flush=True)
        if done % settings.probe_every == 0 or last:
            assert self.probe is not None
            point = {"step": float(done), "seconds": seconds, "image_size": float(image_size)}
            point |= {f"loss_{name}": value for name, value in self.recent.items()}
            point |= self.probe.measure(self.averaged.module.network)
            self.curve.append(point)
            print("probe " + " ".join(f"{name} {value:.4g}" for name, value in point.items()), flush=True)
        if done % settings.save_every == 0 or last:
            progress = checkpoint.Progress(step=done, seconds=seconds, curve=self.curve)
            checkpoint.save(self.run_folder, progress, self.student, self.averaged.module, self.optimiser)
        if last:
            checkpoint.save_tensors(self.averaged.module.network.state_dict(), self.run_folder / "averaged.safetensors")


def train_worker(
    worker: int,
    data_folder: Path,
    cache_folder: Path,
    run_folder: Path,
    settings: TrainSettings,
    start: Sequence[Path],
    meeting: str,
) -> None:
    """Runs one worker of a run; they meet by the file named `meeting`, which must not exist before."""
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=worker, world_size=settings.workers)
    Trainer(data_folder, cache_folder, run_folder, settings, worker, start).run()
    distributed.destroy_process_group()


def train(
    data_folder: Path, cache_folder: Path, run_folder: Path, settings: TrainSettings, start: Sequence[Path] = ()
) -> None:
    """Trains, or goes on with what `run_folder` holds; ends with `averaged.safetensors` there.

    A new run begins with random weights, or with those of the finished runs in the folders `start`, averaged.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = (data_folder, cache_folder, run_folder, settings, start, str(Path(folder) / "meeting"))
        spawn(train_worker, arguments, nprocs=settings.workers, daemon=True)  # type: ignore[no-untyped-call]


def _phases(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(size), int(steps)) for size, steps in (phase.split(":") for phase in text.split(",")))


def main() -> None:
    """Command line; the defaults are the first run that led to the weights in the box, the model card has the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data_folder", "cache_folder", "run_folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument(
        "--start",
        type=Path,
        nargs="+",
        default=(),
        help="folders of finished runs, with whose average this one begins",
    )
    parser.add_argument("--seed", type=int, default=TrainSettings.seed)
    parser.add_argument("--phases", type=_phases, default=TrainSettings.phases, help="size:steps,size:steps,...")
    parser.add_argument("--decay-steps", type=int, default=TrainSettings.decay_steps)
    parser.add_argument("--optimiser", default=TrainSettings.optimiser)
    parser.add_argument("--learning-rate", type=float, default=TrainSettings.learning_rate)
    parser.add_argument("--weight-decay", type=float, default=TrainSettings.weight_decay)
    parser.add_argument("--average-decay", type=float, default=TrainSettings.average_decay)
    parser.add_argument("--probe-every", type=int, default=TrainSettings.probe_every)
    for term, teller in (("quarters", "pooled features"), ("places", "maps of each quarter")):
        parser.add_argument(
            f"--{term}",
            type=float,
            default=getattr(LossSettings, term),
            help=f"weight of the teachers' features of the quarters, told by the student's {teller}",
        )
    for source in ("tiny", "pets", "samples"):
        parser.add_argument(
            f"--{source}", type=int, default=getattr(BatchSettings, source), help="images in a worker's batch"
        )
    arguments = vars(parser.parse_args())
    # Ending by exception, and not at once, takes the workers along.
    signal.signal(
        signal.SIGTERM, lambda _number, _frame: sys.exit("ended; the same command goes on from the last checkpoint")
    )
    arguments["loss"] = LossSettings(**{term: arguments.pop(term) for term in ("quarters", "places")})
    arguments["batch"] = BatchSettings(**{source: arguments.pop(source) for source in ("tiny", "pets", "samples")})
    data_folder, cache_folder, run_folder = (arguments.pop(name) for name in ("data_folder", "cache_folder", "run_folder"))
    start = arguments.pop("start")
    train(data_folder, cache_folder, run_folder, TrainSettings(**arguments), start)


if __name__ == "__main__":
    main()
