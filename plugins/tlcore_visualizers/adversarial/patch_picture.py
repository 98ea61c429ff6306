"""The visualizer's method ``patch``: a picture to print, and scenes with it in them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from PIL import Image

from tlcore.errors import OptionError
from tlcore.visualizer import Picture, Subject, Visualization, VisualizationRequest
from tlcore_visualizers.adversarial.choice import steps_of
from tlcore_visualizers.adversarial.frame import Frame
from tlcore_visualizers.adversarial.goal import Goal
from tlcore_visualizers.adversarial.options import AdversarialOptions
from tlcore_visualizers.adversarial.patch import PatchResult, PrintablePatch
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.adversarial.verdict import Aim, witness
from tlcore_visualizers.pixel_network import PixelNetwork, to_pixels, to_tensor

_PRINTED = 1200
"""Side of the picture to print in pixels: 10 cm at 300 dots an inch."""


def patched(
    options: AdversarialOptions,
    subject: Subject,
    request: VisualizationRequest,
    network: PixelNetwork,
    frames: Sequence[Frame],
    aims: Sequence[Aim],
) -> Visualization:
    """Make a patch that works on the request's images, and show it there."""
    if aims[0].target is None or any(aim.target != aims[0].target for aim in aims):
        raise OptionError("a patch makes the network see one class: name it with --class")
    inputs = to_tensor(np.stack([frame.inputs for frame in frames]))
    goal = Goal(labels=torch.tensor([aims[0].target] * len(frames)), targeted=True)
    problem = Problem(network=network, images=inputs, goal=goal)
    attack = PrintablePatch(size=options.patch_size, steps=steps_of(options))

    def shown(result: PatchResult) -> Visualization:
        return _shown(options, subject, frames, aims, result)

    result = attack.run(
        problem,
        seed=request.seed,
        progress=request.progress,
        keep=lambda unfinished: request.keep(lambda: shown(unfinished())),
    )
    return shown(result)


def _shown(
    options: AdversarialOptions, subject: Subject, frames: Sequence[Frame], aims: Sequence[Aim], result: PatchResult
) -> Visualization:
    own = witness(subject)
    target = aims[0].target
    assert target is not None
    named = subject.class_name(target)
    patch = Image.fromarray(to_pixels(result.patch.unsqueeze(0))[0])
    # Linear, as a sharper filter would overshoot the colours that ink can make.
    printed = patch.resize((_PRINTED, _PRINTED), Image.Resampling.BILINEAR)
    pictures = [
        Picture("patch", np.asarray(printed), f"patch: {named} in {100 * result.success:.0f} % of {result.trials} places")
    ]
    records = []
    for index, (frame, seen) in enumerate(zip(frames, to_pixels(result.images), strict=True)):
        picture = replace(frame, mask=np.ones_like(frame.mask)).with_inputs(
            np.where(frame.mask[..., None], seen, frame.inputs)
        )
        answer = own.answer(picture)
        pictures.append(Picture(f"{index + 1:02d}-scene", picture, f"{frame.name}: {answer}"))
        records.append({"name": frame.name, "after": answer.to_dict(), "fooled": answer.index == target})
    return Visualization(
        pictures=tuple(pictures),
        files={"patch-to-print.png": _print(printed)},
        record={
            "attack": asdict(options),
            "target": {"index": target, "class": named},
            "success": result.success,
            "placements": result.trials,
            "steps": result.steps,
            "images": records,
        },
        lines=(
            f"patch: the network sees {named} at {100 * result.success:.0f} % of {result.trials} random places, sizes, "
            f"turns and lights over {len(frames)} images",
            "patch-to-print.png prints at 10 x 10 cm; its colours are those ink on paper reaches",
        ),
    )


def _print(picture: Image.Image) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", dpi=(_PRINTED / 10 * 2.54, _PRINTED / 10 * 2.54))
    return encoded.getvalue()
