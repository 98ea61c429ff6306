"""The student: a narrow bottleneck ResNet (timm's resnet14t with fewer channels) and what it is trained towards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

ARCHITECTURE = "resnet14t"
MODEL_ARGUMENTS: dict[str, Any] = {"channels": (16, 48, 96, 192), "layers": (1, 1, 2, 1), "stem_width": 16}
CLASSES = 1000
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
CAT_CLASSES = slice(281, 286)
DOG_CLASSES = slice(151, 269)
DIRECTIONS = 9
CELLS = 6
CELL_SIZE = 6
COLOUR_GRID = 4
LAYOUT_SIZE = CELLS * CELLS * DIRECTIONS + COLOUR_GRID * COLOUR_GRID * 3


def create_network() -> Any:
    """The untrained network with its 1,000-class head, a timm ResNet."""
    return timm.create_model(ARCHITECTURE, num_classes=CLASSES, **MODEL_ARGUMENTS)


@dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The weight of each term of the loss, and the distillation temperature."""

    temperature: float = 2.0
    logits: float = 2.0
    features: float = 3.0
    quarters: float = 0.0
    places: float = 0.0
    labels: float = 0.3
    species: float = 0.2
    layout: float = 0.5
    label_smoothing: float = 0.1


class Student(nn.Module):
    """The network with three linear maps that exist only while training: from its features to the teachers', from its pooled
    features to the teachers' features of the picture's four quarters, and from those to the layout of the picture."""

    def __init__(self, teacher_features: int) -> None:
        super().__init__()
        self.network = create_network()
        self.to_teachers = nn.Linear(self.network.num_features, teacher_features)
        self.to_quarters = nn.Linear(self.network.num_features, 4 * teacher_features)
        self.to_layout = nn.Linear(self.network.num_features, LAYOUT_SIZE)

    def forward(self, images: Tensor, settings: LossSettings) -> dict[str, Tensor]:
        """What the student says of the images, float32, by name: 'logits' (images, 1000), the teachers' 'features' (images,
        features), the 'layout' (images, LAYOUT_SIZE), and where their terms have a weight, the teachers' features of the
        quarters (images, rows, columns, features), as the pooled features tell them, 'quarters', and as the maps of each
        quarter tell them, 'places'."""
        maps = self.network.forward_features(images)
        pooled = self.network.forward_head(maps, pre_logits=True)
        said = {
            "logits": self.network.fc(pooled),
            "features": self.to_teachers(pooled),
            "layout": self.to_layout(pooled),
        }
        if settings.quarters:
            said["quarters"] = self.to_quarters(pooled).unflatten(1, (2, 2, -1))
        if settings.places:
            said["places"] = self.to_teachers(functional.adaptive_avg_pool2d(maps, 2).permute(0, 2, 3, 1))
        return {name: answers.float() for name, answers in said.items()}


def layout(images: Tensor) -> Tensor:
    """The layout of normalised images (images, 3, height, width): histograms of oriented gradients on a 6x6 grid, and colour
    on a 4x4 grid, each standardised for each image, (images, LAYOUT_SIZE) float32.

    A pooled feature that must tell it keeps where things are, which a network that learns only to name objects loses; after
    masked feature prediction (Wei et al. 2022), with the whole picture seen.
    """
    side = CELLS * CELL_SIZE
    colour = images.float()
    grey = functional.interpolate(colour.mean(dim=1, keepdim=True), size=(side + 2,) * 2, mode="bilinear", antialias=True)
    across = (grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2])[:, 0]
    down = (grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1])[:, 0]
    direction = (torch.atan2(down, across) * (DIRECTIONS / math.pi)).floor().long() % DIRECTIONS
    strength = torch.hypot(across, down)
    edges = torch.zeros(len(images), DIRECTIONS, side, side).scatter_(1, direction[:, None], strength[:, None])
    cells = functional.avg_pool2d(edges, CELL_SIZE)
    energy = functional.avg_pool2d(cells.square().sum(dim=1, keepdim=True), 3, 1, 1, count_include_pad=False)
    histograms = (cells / (energy.sqrt() + 1e-2)).sqrt().flatten(1)
    colours = functional.adaptive_avg_pool2d(colour, COLOUR_GRID).flatten(1)
    return torch.cat([_standardised(histograms), _standardised(colours)], dim=1)


def _standardised(values: Tensor) -> Tensor:
    centred = values - values.mean(dim=1, keepdim=True)
    return centred / (centred.std(dim=1, keepdim=True) + 1e-3)


def losses(student: Student, batch: dict[str, Tensor], settings: LossSettings) -> dict[str, Tensor]:
    """Every weighted term of the loss for one batch, by name; see `batches.Batches` for what a batch holds."""
    with torch.autocast("cpu", torch.bfloat16):
        said = student(batch["images"], settings)
    logits, temperature = said["logits"], settings.temperature
    divergence = functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1),
        functional.log_softmax(batch["logits"] / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    # The residual counts in units of how much a feature varies within its own source, so that what tells one breed
    # from another weighs as much as what tells a dog from a bus.
    scale = batch["feature_scale"]
    residual = ((said["features"] - batch["features"]) * scale).clamp(-6, 6)
    labelled, pets = batch["label"] >= 0, batch["species"] >= 0
    both_species = torch.stack([logits[:, CAT_CLASSES].logsumexp(1), logits[:, DOG_CLASSES].logsumexp(1)], dim=1)
    terms = {
        "logits": settings.logits * divergence,
        "features": settings.features * residual.square().mean(),
        "labels": settings.labels
        * functional.cross_entropy(logits[labelled], batch["label"][labelled], label_smoothing=settings.label_smoothing),
        "species": settings.species * functional.cross_entropy(both_species[pets], batch["species"][pets]),
        "layout": settings.layout * functional.mse_loss(said["layout"], layout(batch["images"])),
    }
    for name in ("quarters", "places"):
        if name not in said:
            continue
        of_quarters = ((said[name] - batch["quarters"]) * scale[:, None, None]).clamp(-6, 6)
        terms[name] = getattr(settings, name) * of_quarters.square().mean()
    return terms
