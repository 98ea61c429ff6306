"""Ideal images of ten classes by each of several networks, judged by the others on the 8-bit file as re-read.

    python -m tests.benchmarks.ideal WEIGHTS... [--classes zebra,pug] [--seed 0] [--steps N] [--sheet FILE.jpg]
    python -m tests.benchmarks.ideal WEIGHTS... --rate          steps a second beside the network's bare forward and backward
    python -m tests.benchmarks.ideal WEIGHTS... --lucent        lucent's default recipe for as long as ours takes
    python -m tests.benchmarks.ideal WEIGHTS... --photos DIR    what the networks say of real photos, named INDEX_anything

WEIGHTS are directories of networks with the same classes, as ``local-dir:`` takes them. ``--lucent`` needs the package
torch-lucent importable (with kornia 0.4). Measure on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tlcore import Picture, Registry, Subject, VisualizationRequest
from tlcore.display.picture_sheet import picture_sheet
from tlcore.images import decode_image, encode_png
from tlcore.machine.memory import keep_freed
from tlcore.subject import make_subject
from tlcore_visualizers.companion import companion_of, lightened
from tlcore_visualizers.drawing import Drawing, Task, draw
from tlcore_visualizers.folded import folded
from tlcore_visualizers.ideal_options import IdealOptions
from tlcore_visualizers.objective import ClassObjective
from tlcore_visualizers.pace import by_steps
from tlcore_visualizers.parameterisation import Fourier
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.recipe import recipe_of
from tlcore_visualizers.remembered import places
from tlcore_visualizers.small_views import small_view_size

CLASSES = (
    "Siamese cat", "tabby", "zebra", "pug", "flamingo", "school bus", "daisy", "pizza", "goldfish", "analog clock",
)  # fmt: skip

TILE = 150
"""Side of a picture on the sheet: a row of ten is as wide as a page."""


def judged(pixels: np.ndarray, index: int, subjects: dict[str, Subject]) -> dict[str, float]:
    """Return the probability each network gives the class, for the file as re-read and preprocessed by its own record."""
    image = decode_image(encode_png(Image.fromarray(pixels)))
    return {
        name: float(PixelNetwork(subject).probabilities(subject.preprocess.pixels(image)[None])[0, index])
        for name, subject in subjects.items()
    }


def table(
    subjects: dict[str, Subject],
    companions: tuple[Subject, ...],
    classes: list[str],
    options: dict[str, Any],
    sheet: Path | None,
    seed: int,
) -> dict[str, Any]:
    registry, rows, pictures = Registry(), [], []
    for name, subject in subjects.items():
        for text in classes:
            index = subject.find_class(text)
            started = time.monotonic()
            result = registry.visualizer("ideal", options).visualize(
                subject, VisualizationRequest(classes=(index,), seed=seed, companions=companions)
            )
            seconds = time.monotonic() - started
            given = judged(result.pictures[0].pixels, index, subjects)
            own = given.pop(name)
            others = statistics.fmean(given.values())
            rows.append({"network": name, "class": text, "own": own, "others": others, "seconds": seconds, **given})
            told = " ".join(f"{value:.2f}" for value in given.values())
            print(f"{name:28s} {text:14s} own {own:.3f}  others {others:.3f} ({told})  {seconds:.1f} s", flush=True)
            caption = f"{text} {100 * own:.0f} %, others {100 * others:.0f} % ({name})"
            pictures.append(Picture(f"{name} {text}", result.pictures[0].pixels, caption))
        if sheet is not None:
            picture_sheet(pictures, len(classes), tile=TILE).save(sheet, quality=85)
    print(markdown(rows))
    passed = [row for row in rows if row["own"] >= 0.99 and row["others"] >= 0.95]
    summary = {
        "images": len(rows),
        "own at least 0.99 and others at least 0.95": len(passed),
        "own, least": min(row["own"] for row in rows),
        "own, mean": statistics.fmean(row["own"] for row in rows),
        "others, mean": statistics.fmean(row["others"] for row in rows),
        "others, least": min(row["others"] for row in rows),
        "seconds, most": max(row["seconds"] for row in rows),
    }
    return {"options": options, "rows": rows, "summary": summary}


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return own and others' probability as the table of the documentation: a row a class, a column a network."""
    networks, classes = (list(dict.fromkeys(row[key] for row in rows)) for key in ("network", "class"))
    found = {(row["network"], row["class"]): (row["own"], row["others"]) for row in rows}
    lines = ["| class | " + " | ".join(f"`{name}`" for name in networks) + " |", "|" + "---|" * (len(networks) + 1)]
    for text in [*classes, "mean"]:
        cells = []
        for name in networks:
            own, others = zip(*(found[name, each] for each in (classes if text == "mean" else [text])), strict=True)
            cells.append(f"{statistics.fmean(own):.2f} / {statistics.fmean(others):.2f}")
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def photographs(subjects: dict[str, Subject], classes: list[str], folder: Path) -> dict[str, Any]:
    """Return the mean probability that each network gives photos of the class, whose names begin with its index."""
    rows = []
    for text in classes:
        index = next(iter(subjects.values())).find_class(text)
        files = [path for path in sorted(folder.iterdir()) if path.name.partition("_")[0] == f"{index:04d}"]
        images = [decode_image(path.read_bytes(), path.name) for path in files]
        given = {
            name: statistics.fmean(
                float(PixelNetwork(subject).probabilities(subject.preprocess.pixels(image)[None])[0, index])
                for image in images
            )
            for name, subject in subjects.items()
        }
        rows.append({"class": text, "photos": len(files), "mean": statistics.fmean(given.values()), **given})
        print(json.dumps(rows[-1]), flush=True)
    return {"rows": rows, "mean": statistics.fmean(float(row["mean"]) for row in rows)}


def _ignore(done: int) -> None:
    """Show nothing."""


def rate(subject: Subject, companions: tuple[Subject, ...], rounds: int = 5, steps: int = 60) -> dict[str, float]:
    """Return our steps a second over those of the bare network, forward and backward to the pixels; rounds interleaved.

    ``alone`` is like for like, every view of the network's input size; ``as drawn`` has the recipe's smaller views and the
    companions, of which the bare network knows nothing.
    """
    light, norms = folded(subject.network, subject.preprocess.image_size)
    network = PixelNetwork(replace(subject, network=light))
    objective = ClassObjective({0: 1.0}, "margin")
    recipe = recipe_of(IdealOptions(steps=steps))
    alone = Task(network=network, small_size=network.image_size, places=places(light, norms), objective=objective, companions=(),
                 diverse_layer=None, diversity=0.0, recipe=recipe, frames=False)  # fmt: skip
    inputs = torch.rand(recipe.views, 3, *network.image_size, generator=torch.Generator().manual_seed(0))
    inputs = inputs.contiguous(memory_format=torch.channels_last)

    def bare() -> None:
        for _ in range(steps):
            leaf = inputs.detach().requires_grad_(True)
            torch.autograd.grad(subject.network(leaf)[:, 0].sum(), leaf)

    def drawn(task: Task) -> None:
        waves = Fourier(1, (256, 256), torch.Generator().manual_seed(0), recipe.decay)
        draw(task, Drawing(0, waves), by_steps(steps), step=_ignore)

    with lightened(companions) as beside:
        company = tuple(companion_of(other, subject, objective) for other in beside)
        whole = replace(alone, small_size=small_view_size(network), companions=company)
        ways: dict[str, Callable[[], None]] = {
            "bare": bare,
            "alone": partial(drawn, alone),
            "as drawn": partial(drawn, whole),
        }
        for way in ways.values():
            way()  # the first one warms up
        seconds = [{name: _seconds(way) for name, way in ways.items()} for _ in range(rounds)]
    shares = {name: statistics.median(each["bare"] / each[name] for each in seconds) for name in ("alone", "as drawn")}
    return {"bare steps a second": steps / statistics.median(each["bare"] for each in seconds), **shares}


def _seconds(way: Callable[[], None]) -> float:
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def lucent_image(subject: Subject, index: int, seconds: float) -> np.ndarray:
    """Draw with lucent's default parameterisation, transforms, optimiser and objective (the class's logit) for some seconds."""
    from lucent.optvis import param, transform

    parameters, image_of = param.image(256)
    optimiser = torch.optim.Adam(parameters, lr=5e-2)
    move = transform.compose(transform.standard_transforms)
    network, deadline = PixelNetwork(subject), time.monotonic() + seconds
    while time.monotonic() < deadline:
        views = torch.nn.functional.interpolate(move(image_of()), network.image_size, mode="bilinear", align_corners=False)
        optimiser.zero_grad()
        (-network(views)[:, index].mean()).backward()
        optimiser.step()
    shown = image_of().detach().clamp(0, 1)[0].permute(1, 2, 0).numpy()
    return np.rint(255 * shown).astype(np.uint8)


def against_lucent(
    subjects: dict[str, Subject], companions: tuple[Subject, ...], classes: list[str], options: dict[str, Any]
) -> dict[str, Any]:
    """Compare on the first network: probability by itself and mean by the others, at equal wall time."""
    registry, rows = Registry(), []
    name, subject = next(iter(subjects.items()))
    for text in classes:
        index = subject.find_class(text)
        started = time.monotonic()
        request = VisualizationRequest(classes=(index,), companions=companions)
        result = registry.visualizer("ideal", options).visualize(subject, request)
        seconds = time.monotonic() - started
        row: dict[str, Any] = {"class": text, "seconds": seconds}
        for whose, pixels in (
            ("ours", result.pictures[0].pixels),
            ("lucent's", lucent_image(subject, index, seconds)),
        ):
            given = judged(pixels, index, subjects)
            own = given.pop(name)
            row[whose] = {"own": own, "others": statistics.fmean(given.values())}
        rows.append(row)
        print(json.dumps(row), flush=True)
    means = {whose: statistics.fmean(row[whose]["others"] for row in rows) for whose in ("ours", "lucent's")}
    return {"network": name, "rows": rows, "others, mean": means}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", type=Path)
    parser.add_argument("--classes", default=",".join(CLASSES))
    parser.add_argument("--preset", default="default")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--companion", action="append")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--rate", action="store_true")
    parser.add_argument("--lucent", action="store_true")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    keep_freed()
    registry = Registry()
    subjects = {path.name: make_subject(f"local-dir:{path}", registry) for path in arguments.weights}
    named = ["mini"] if arguments.companion is None else [name for name in arguments.companion if name != "none"]
    companions = tuple(make_subject(name, registry) for name in named)
    classes = arguments.classes.split(",")
    given = {"preset": arguments.preset, "seconds": arguments.seconds, "steps": arguments.steps}
    options = {name: value for name, value in given.items() if value is not None}
    if arguments.rate:
        result: dict[str, Any] = {name: rate(subject, companions) for name, subject in subjects.items()}
    elif arguments.photos is not None:
        result = photographs(subjects, classes, arguments.photos)
    elif arguments.lucent:
        result = against_lucent(subjects, companions, classes, options)
    else:
        result = table(subjects, companions, classes, options, arguments.sheet, arguments.seed)
    print(json.dumps(result.get("summary", result), indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
