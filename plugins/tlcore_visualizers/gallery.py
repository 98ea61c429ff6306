"""From drawings to pictures: the best of each portrait is chosen, scored, captioned, and hung beside natural images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image

from tlcore.images import decode_image, encode_png
from tlcore.visualizer import Picture, Subject, Visualization, VisualizationRequest, file_name
from tlcore_visualizers.borrowed import captured
from tlcore_visualizers.drawing import Drawing
from tlcore_visualizers.ideal_options import IdealOptions
from tlcore_visualizers.natural import NaturalImages, natural_images
from tlcore_visualizers.objective import ClassObjective, LayerObjective, Objective
from tlcore_visualizers.pixel_network import PixelNetwork, to_tensor
from tlcore_visualizers.score import judged_by, mark, probability, score
from tlcore_visualizers.spectrum import natural_spectrum


@dataclass(frozen=True)
class Portrait:
    """What is drawn: its name, and its objective."""

    name: str
    objective: Objective


class Gallery:
    """Collects the pictures of one request.

    Args:
        subject, request: as the visualizer was given them.
        photographs: of the dataset, for the spectrum; None without one.
        options: of the visualizer.
        record: of the settings, ``companions`` among them; what was measured joins it.
    """

    def __init__(
        self,
        subject: Subject,
        request: VisualizationRequest,
        photographs: Float32[np.ndarray, "images height width 3"] | None,
        options: IdealOptions,
        record: dict[str, Any],
    ) -> None:
        self._subject = subject
        self._network = PixelNetwork(subject)
        self._request = request
        self._spectrum = natural_spectrum(photographs)
        self._options = options
        self._record = record
        companions = " and ".join(_last(name) for name in record["companions"])
        self._drawn_with = f", drawn with {companions}" if companions else ""
        self._columns = options.count
        self._pictures: list[Picture] = []
        self._drawn: list[dict[str, Any]] = []
        self._judges = {
            index: judged_by(request.judges, subject, index) for index in (() if options.layer else request.classes)
        }

    def hang(self, portrait: Portrait, drawings: Sequence[Drawing]) -> None:
        """Add a finished portrait: the best of its drawings, and natural images beside it."""
        pictures, record = self._framed(portrait, drawings)
        beside = self._beside(portrait)
        self._columns = self._options.count + len(beside)
        self._pictures += [*pictures, *beside]
        self._drawn.append(record)

    def with_unfinished(self, portrait: Portrait, drawings: Sequence[Drawing]) -> Visualization:
        """Return what there is so far, with the best of a portrait that was not finished."""
        begun = [drawing for drawing in drawings if drawing.steps]
        if not begun and not self._pictures:
            return self._whole([], [], ("interrupted before the first step",))
        pictures, record = self._framed(portrait, begun) if begun else ([], {})
        told = ("interrupted; the last picture is unfinished",) if begun else ()
        return self._whole([*self._pictures, *pictures], [*self._drawn, *([record] if record else [])], told)

    def visualization(self) -> Visualization:
        """Return all that hangs."""
        return self._whole(self._pictures, self._drawn, ())

    def _whole(self, pictures: list[Picture], drawn: list[dict[str, Any]], lines: tuple[str, ...]) -> Visualization:
        return Visualization(
            pictures=tuple(pictures),
            record={**self._record, "drawn": drawn},
            lines=lines,
            columns=self._columns if self._columns > 1 else None,
        )

    def _framed(self, portrait: Portrait, drawings: Sequence[Drawing]) -> tuple[list[Picture], dict[str, Any]]:
        """Return the pictures of the best drawing, and its record."""
        marks = [self._mark(portrait, drawing) for drawing in drawings]
        best = drawings[int(np.argmax(marks))]
        pictures, scores = [], []
        for number, pixels in enumerate(best.pixels()):
            caption, scored = self._scored(portrait, pixels)
            name = file_name(portrait.name) + (f" {number + 1}" if self._options.count > 1 else "")
            frames = tuple(frame[number] for frame in best.frames)
            pictures.append(Picture(self._unused(name), pixels, caption, frames))
            scores.append(scored)
        tried = [
            {"seed": drawing.seed, "steps": drawing.steps, "mark": round(found, 6)}
            for drawing, found in zip(drawings, marks, strict=True)
        ]
        return pictures, {"name": portrait.name, "seed": best.seed, "steps": best.steps, "scores": scores, "tried": tried}

    def _mark(self, portrait: Portrait, drawing: Drawing) -> float:
        """Return what a drawing is chosen by: `mark`, of a mix that of its weaker class, or a layer's answer."""
        images, objective = drawing.pixels(), portrait.objective
        if isinstance(objective, LayerObjective):
            return float(self._answers(objective, images).mean())
        classes = [index for index, weight in objective.weights.items() if weight]
        return float(np.mean([min(mark(pixels, index, self._network) for index in classes) for pixels in images]))

    def _scored(self, portrait: Portrait, pixels: UInt8[np.ndarray, "height width 3"]) -> tuple[str, dict[str, Any]]:
        objective = portrait.objective
        if isinstance(objective, LayerObjective):
            answer = float(self._answers(objective, pixels[None])[0])
            return f"{portrait.name}: answers {answer:.2f}", {"answer": answer}
        if len(objective.weights) > 1:
            saved = decode_image(encode_png(Image.fromarray(pixels)))
            each = {index: probability(saved, index, self._subject) for index in objective.weights}
            told = ", ".join(f"{self._subject.class_name(index)} {_percent(value)}" for index, value in each.items())
            return told + self._drawn_with, {"own": {str(index): value for index, value in each.items()}}
        (index,) = objective.weights
        measured = score(pixels, index, self._subject, self._judges[index], self._spectrum)
        judged = "".join(f", {_last(name)} {_percent(value)}" for name, value in measured.judges.items())
        told = f"{portrait.name} {_percent(measured.own)}, crops {_percent(measured.crops)}{judged}{self._drawn_with}"
        return told, measured.to_dict()

    def _answers(self, objective: LayerObjective, images: UInt8[np.ndarray, "images height width 3"]) -> np.ndarray:
        height, width = self._network.image_size
        saved = [self._subject.preprocess.pixels(Image.fromarray(pixels)) for pixels in images]
        with captured(self._network.network, [objective.layer.name]) as outputs, torch.inference_mode():
            self._network(to_tensor(np.stack(saved).reshape(-1, height, width, 3)))
            return objective.activation(outputs).numpy()

    @cached_property
    def _natural(self) -> NaturalImages | None:
        if self._request.dataset is None or not self._options.natural or self._options.layer:
            return None
        return natural_images(self._subject, self._request.dataset, self._options.natural_from, self._request.progress)

    def _beside(self, portrait: Portrait) -> list[Picture]:
        """Return the dataset's likeliest images of the class."""
        if self._natural is None or not isinstance(portrait.objective, ClassObjective):
            return []
        (index, *_) = portrait.objective.weights
        found = self._natural.best(index, self._options.natural)
        return [
            Picture(self._unused(f"{file_name(portrait.name)} natural {rank}"), pixels, f"{name}: {_percent(value)}")
            for rank, (name, pixels, value) in enumerate(found, 1)
        ]

    def _unused(self, name: str) -> str:
        taken = {picture.name.lower() for picture in self._pictures}
        number, found = 2, name
        while found.lower() in taken:
            found, number = f"{name} ({number})".replace("(", "-").replace(")", ""), number + 1
        return found


def _last(name: str) -> str:
    """Return the last part of a backbone's name or a bundle's path."""
    return name.rstrip("/").split("/")[-1]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"
