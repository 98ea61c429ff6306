"""The photos the network learns from, and the photos that measure it, as one flat list each."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One encoded photo.

    `source` is one of 'tiny', 'pets', 'samples' (training), 'tiny-val' (the measured curve) or the name of a
    measuring set; `label` an ImageNet class index in 0..999, or UNLABELLED; `species` 0 for cat, 1 for dog,
    UNLABELLED elsewhere.
    """

    identifier: str
    source: str
    encoded: bytes
    label: int = UNLABELLED
    species: int = UNLABELLED


def decode(photo: Photo) -> Image.Image:
    """The photo as an upright RGB image. Raises PIL.UnidentifiedImageError for a damaged file."""
    image = Image.open(io.BytesIO(photo.encoded))
    return ImageOps.exif_transpose(image).convert("RGB")


def centred_square(width: int, height: int) -> tuple[float, float, float, float]:
    """The largest square in the middle of a picture: left, top, right, bottom in pixels."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def wnid_index(data_folder: Path) -> dict[str, int]:
    """WordNet identifier -> ImageNet class index (0..999)."""
    table = json.loads((data_folder / "images" / "imagenet_class_index.json").read_text())
    return {wnid: int(index) for index, (wnid, _label) in table.items()}


def _tiny_imagenet(data_folder: Path, archive: str, source: str) -> list[Photo]:
    indices = wnid_index(data_folder)
    photos = []
    with tarfile.open(data_folder / "pretrain" / archive) as members:
        for member in members:
            if not member.isfile():
                continue
            stream = members.extractfile(member)
            assert stream is not None, member.name
            label = indices.get(member.name.split("/")[0], UNLABELLED)
            photos.append(Photo(identifier=member.name, source=source, encoded=stream.read(), label=label))
    return sorted(photos, key=lambda photo: photo.identifier)


def tiny_imagenet_train(data_folder: Path) -> list[Photo]:
    """The 64 px Tiny-ImageNet training images, 200 classes."""
    return _tiny_imagenet(data_folder, "tiny-imagenet-train.tar.gz", "tiny")


def tiny_imagenet_validation(data_folder: Path) -> list[Photo]:
    """The 64 px Tiny-ImageNet validation images: never trained on, they draw the measured curve."""
    return _tiny_imagenet(data_folder, "tiny-imagenet-val.tar.gz", "tiny-val")


def imagenet_samples(data_folder: Path) -> list[Photo]:
    """One photo for each of the 1,000 ImageNet classes."""
    paths = sorted((data_folder / "images" / "imagenet-samples").glob("*.jpg"))
    return [
        Photo(identifier=path.name, source="samples", encoded=path.read_bytes(), label=int(path.name[:4])) for path in paths
    ]


def pets(data_folder: Path, listing: str, source: str = "pets") -> list[Photo]:
    """The Cats-vs-Dogs photos named in `listing` ('train.txt' or 'test.txt')."""
    folder = data_folder / "datasets" / "PetImages"
    return [
        Photo(identifier=line, source=source, encoded=(folder / line).read_bytes(), species=int(line.startswith("Dog/")))
        for line in (folder / listing).read_text().split()
    ]


def training_photos(data_folder: Path) -> list[Photo]:
    """Everything the network may learn from, before the exclusion of near duplicates of the measuring photos."""
    return tiny_imagenet_train(data_folder) + pets(data_folder, "train.txt") + imagenet_samples(data_folder)


def measuring_photos(data_folder: Path) -> list[Photo]:
    """Every photo that measures the network and that must therefore never be trained on."""
    photos = pets(data_folder, "test.txt", source="cats-vs-dogs-test")
    paths = {"oxford-iiit-pet": sorted((data_folder / "datasets" / "oxford-iiit-pet" / "images").iterdir())}
    for name in ("chest-xray-3class", "sign-digits", "clothing"):
        paths[name] = sorted(path for path in (data_folder / "datasets" / name).glob("*/*") if path.is_file())
    for name, of_name in paths.items():
        photos += [
            Photo(identifier=f"{path.parent.name}/{path.name}", source=name, encoded=path.read_bytes()) for path in of_name
        ]
    return photos
