"""The learning-rate finder: the loss of a few updates at ever higher rates, and where it falls most steeply."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from tlcore.errors import FineTuneError
from tlcore.fine_tuner import LearningRates
from tlcore.progress import ProgressEvent
from tlcore.visualizer import Picture
from tlcore_finetune.images import epoch_batches, load
from tlcore_finetune.loop import Run

LOWEST, HIGHEST = 1e-6, 1.0
"""The rates that are tried lie between these."""

_SMOOTHING = 0.8
"""What the smoothed loss keeps of itself at each update."""

_DIVERGED = 3.0
"""Times its lowest value at which the smoothed loss has diverged."""


def try_rates(run: Run, steps: int) -> LearningRates:
    """Update the run's network at rates that rise by a constant factor, until the loss diverges.

    Source: Smith 2017; the suggestion, at the steepest fall of the smoothed loss, as common since Howard and Gugger 2020.

    Raises:
        FineTuneError: the loss never fell.
    """
    rates: list[float] = []
    losses: list[float] = []
    smoothed = 0.0
    run.begin_epoch(run.options.epochs)
    run.updates.prepare()
    epochs = -(-steps // run.steps_per_epoch)
    batches = [
        b for epoch in range(epochs) for b in epoch_batches(len(run.task.train), run.batch_size, run.task.seed, epoch)
    ]
    for step, (inputs, labels) in enumerate(load(run.images, batches[:steps], run.options.workers)):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / max(1, steps - 1))
        for group in run.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        loss = run.updates.compute_gradients(inputs, labels, step).loss
        smoothed = loss if not losses else _SMOOTHING * smoothed + (1 - _SMOOTHING) * loss
        if not math.isfinite(loss) or (losses and smoothed > _DIVERGED * min(losses)):
            break
        run.updates.apply()
        rates.append(rate)
        losses.append(smoothed)
        run.progress(ProgressEvent("learning rates", step + 1, steps, f"rate {rate:.1e}  loss {smoothed:.3f}"))
    suggestion = _steepest(rates, losses)
    return LearningRates(
        rates=tuple(rates), losses=tuple(losses), suggestion=suggestion, picture=_draw(rates, losses, suggestion)
    )


def _steepest(rates: list[float], losses: list[float]) -> float:
    """Return the rate at which the loss falls most steeply over the logarithm of the rate."""
    if len(losses) < 5:
        raise FineTuneError(f"the loss diverged after {len(losses)} updates; there is no rate to suggest")
    slopes = np.gradient(np.array(losses), np.log(rates))
    steepest = int(slopes.argmin())
    if slopes[steepest] >= 0:
        raise FineTuneError("the loss fell at none of the rates tried: the head alone has learnt these images already")
    return float(f"{rates[steepest]:.2g}")


def _draw(rates: list[float], losses: list[float], suggestion: float) -> Picture:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rates, losses, color="#1f5fa8", linewidth=2)
    axes.axvline(suggestion, color="#b3402a", linestyle="--", linewidth=1.5, label=f"suggested: {suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate of the classifier")
    axes.set_ylabel("training loss, smoothed")
    axes.grid(True, alpha=0.25)
    axes.legend(frameon=False)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)  # type: ignore[no-untyped-call]
    pixels = np.asarray(Image.open(stream).convert("RGB"))
    return Picture("learning-rates", pixels, f"training loss at rising learning rates; suggested: {suggestion:.2g}")
