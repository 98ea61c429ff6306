"""The contact sheet of ``tl demo``: what a network answers, what it sees, what it dreams of, and how it is fooled."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tlcore.bundle import Bundle
from tlcore.dataset import Sample
from tlcore.display.picture_sheet import picture_sheet
from tlcore.errors import PluginError, UnknownNameError
from tlcore.images import decode_image, encode_png, read_image
from tlcore.machine.atomic import write_file
from tlcore.prediction import Predictable, image_source
from tlcore.progress import Progress
from tlcore.registry import Registry
from tlcore.subject import backbone_subject, bundle_subject
from tlcore.visualization import VisualizeOptions, visualize
from tlcore.visualizer import Picture, Subject
from tlcore_cli.terminal import notes, results

_PHOTOS = (
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("sklearn", "datasets/images/china.jpg"),
)
"""Package and path in it of photos under free licences that come with scikit-image and scikit-learn."""

_LOOKS: Mapping[str, tuple[Mapping[str, object], str]] = {
    "features": ({"layer": ("layer1",), "most": 8}, "feature maps"),
    "ideal": ({"seconds": 12.0}, "ideal image"),
    "adversarial": ({"strength": "quick", "onnx": False}, "adversarial"),
}
"""Visualizer to its options here, and what its picture is called."""


def sample_photos() -> list[Path]:
    """Return the photos that came with installed packages; nothing is imported for it."""
    found = [(find_spec(package), relative) for package, relative in _PHOTOS]
    paths = [Path(spec.origin).parent / relative for spec, relative in found if spec is not None and spec.origin]
    return [path for path in paths if path.is_file()]


def write_sheet(
    place: Path,
    bundle: Bundle,
    digit: Sample,
    backbone: str,
    photos: Sequence[Path],
    registry: Registry,
    progress: Progress,
) -> tuple[str, ...]:
    """Write the contact sheet: a row for the digit and the bundle, then a row for the first photo and the network itself.

    Args:
        place: of the PNG file.
        bundle, digit: a trained classifier and an image it was not trained on.
        backbone: a network with its own classifier.
        photos: it names all, and is looked into with the first.
        registry, progress: as everywhere.

    Returns:
        the visualizers that could not be used, each with its reason; their pictures are left out.
    """
    missing: dict[str, str] = {}
    pictures = _row(bundle_subject(bundle), str(bundle.path), digit.image, digit.name, registry, progress, missing)
    own = backbone_subject(registry.backbone(backbone), backbone, registry, {})
    for photo in photos[:1]:
        pictures += _row(own, backbone, photo, photo.name, registry, progress, missing)
    pictures += [_answer(own, photo, photo.name)[0] for photo in photos[1:]]
    across = 1 + len(_LOOKS) - len(missing)
    sheet = picture_sheet(pictures, across if across > 1 else None)
    write_file(place, encode_png(sheet))
    return tuple(f"{name} ({reason})" for name, reason in missing.items())


def show_looks(
    place: Path, bundle: Path, backbone: str, photos: Sequence[Path], missing: Sequence[str], quiet: bool
) -> None:
    """Tell where the sheet is, how to make more of the kind, and what is missing on it."""
    results().print(f"\ncontact sheet: {place}", markup=False)
    side = notes(quiet)
    if missing:
        side.print(f"note: left out of it: {'; '.join(missing)}", markup=False)
        return
    photo = shlex.quote(str(photos[0])) if photos else "PHOTO"
    side.print(
        f"its pictures one by one:  tl features {backbone} {photo}   tl ideal {shlex.quote(str(bundle))} --class 3"
        f"   tl adversarial {backbone} {photo}",
        markup=False,
    )


def _row(
    subject: Subject,
    model: str,
    image: Predictable,
    name: str,
    registry: Registry,
    progress: Progress,
    missing: dict[str, str],
) -> list[Picture]:
    """Return one network's answer to one image, and what each visualizer shows of the two."""
    answer, best = _answer(subject, image, name)
    pictures = [answer]
    for look, (options, title) in _LOOKS.items():
        if look in missing:
            continue
        asked = VisualizeOptions(classes=(str(best),) if look == "ideal" else (), options=options)
        try:
            found = visualize(look, model, [] if look == "ideal" else [image], asked, registry=registry, progress=progress)
        except (UnknownNameError, PluginError) as error:
            missing[look] = str(error).partition(";")[0]
            continue
        pictures.append(_titled(look, found.pictures, title))
    return pictures


def _titled(look: str, pictures: Sequence[Picture], title: str) -> Picture:
    """Return the picture that stands for a look, its caption after the title."""
    chosen = next((picture for picture in pictures if picture.name.endswith(look)), pictures[0])
    return Picture(chosen.name, chosen.pixels, f"{title}: {chosen.caption}")


def _answer(subject: Subject, image: Predictable, name: str) -> tuple[Picture, int]:
    """Return an image above what the network takes it for, and that class's index."""
    import torch

    told, source = image_source(image)
    decoded = decode_image(read_image(source, told), told)
    pixels = subject.preprocess.pixels(decoded)[np.newaxis]
    with torch.inference_mode():
        logits = subject.network(torch.from_numpy(subject.preprocess.normalise(pixels)))[0]
    probabilities = torch.softmax(logits / subject.temperature, dim=0)
    best = int(probabilities.argmax())
    caption = f"{name}: taken for {subject.class_name(best)}, {100 * float(probabilities[best]):.1f} %"
    return Picture("answer", np.asarray(decoded), caption), best
