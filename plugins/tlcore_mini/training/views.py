"""Views: fixed random crops that the teachers and the student both see (Beyer et al. 2022, 'a good teacher is patient
and consistent'). We deviate by drawing a fixed set of views for each photo, so that the teachers run once for each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from tlcore_mini.training.photos import Photo, centred_square, decode

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class ViewSettings:
    """How many views of each photo of a source, and at which sizes (pixels) the student and the teachers see them.

    The teachers see a view twice where `logits_size` is not `teacher_size`: their features are the better the larger the
    view, even one magnified from 64 px, but what they call it is better when such a view stays small.
    """

    source: str
    views_per_photo: int
    student_size: int
    teacher_size: int
    logits_size: int
    smallest_area: float
    seed: int = 7


TINY_VIEWS = ViewSettings(
    source="tiny", views_per_photo=4, student_size=80, teacher_size=224, logits_size=128, smallest_area=0.35
)
PET_VIEWS = ViewSettings(
    source="pets", views_per_photo=24, student_size=144, teacher_size=224, logits_size=224, smallest_area=0.15
)
SAMPLE_VIEWS = ViewSettings(
    source="samples", views_per_photo=24, student_size=144, teacher_size=224, logits_size=224, smallest_area=0.25
)


def crop_box(width: int, height: int, view: int, settings: ViewSettings, random: np.random.Generator) -> Box:
    """The crop (left, top, right, bottom) in pixels: the centred square for view 0, a random area otherwise."""
    if view == 0:
        return centred_square(width, height)
    area = width * height * random.uniform(settings.smallest_area, 1.0)
    ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
    crop_width, crop_height = min(math.sqrt(area * ratio), width), min(math.sqrt(area / ratio), height)
    left, top = random.uniform(0, width - crop_width), random.uniform(0, height - crop_height)
    return left, top, left + crop_width, top + crop_height


def recolour(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Half of the views change a little in brightness, contrast and saturation; one in ten loses its colour."""
    if random.random() < 0.5:
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(random.uniform(0.7, 1.3))
    if random.random() < 0.1:
        image = image.convert("L").convert("RGB")
    return image


def render(photo: Photo, photo_number: int, settings: ViewSettings) -> tuple[np.ndarray, np.ndarray]:
    """All views of one photo: (views, size, size, 3) uint8 for the student, and the same for the teachers.

    Seeded by (seed, photo_number, view), so that any part can be made again alone.
    """
    image = decode(photo)
    students, teachers = [], []
    for view in range(settings.views_per_photo):
        random = np.random.default_rng((settings.seed, photo_number, view))
        box = crop_box(*image.size, view, settings, random)
        seen = image.resize((settings.teacher_size,) * 2, Image.Resampling.BICUBIC, box=box)
        if view > 0:
            seen = recolour(seen, random)
        teachers.append(np.asarray(seen))
        students.append(np.asarray(seen.resize((settings.student_size,) * 2, Image.Resampling.BILINEAR)))
    return np.stack(students), np.stack(teachers)
