"""Cats vs. Dogs: 25,000 photos that Microsoft published for a contest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlcore.data.download import RemoteFile
from tlcore.data.unpack import UnpackLimits
from tlcore.dataset import ALL, Dataset, LeftOut, Sample
from tlcore.errors import DatasetError
from tlcore.packed_samples import ChosenImages, FolderImages, ImageSources, SampleStore, names_of, select_samples
from tlcore.packed_strings import PackedStrings, order_of
from tlcore.specs import DownloadRequest, DownloadResult
from tlcore_datasets import OfficialOptions
from tlcore_datasets.archive import list_archive
from tlcore_datasets.complaints import Complaints
from tlcore_datasets.official import OfficialDataset

CLASSES = ("Cat", "Dog")
FOLDER = "PetImages"

OFFICIAL = OfficialDataset(
    name="cats-vs-dogs",
    files=(
        RemoteFile(
            name="kagglecatsanddogs_5340.zip",
            urls=(
                "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
                "kagglecatsanddogs_5340.zip",
            ),
            sha256="b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
            size=824_887_076,
        ),
    ),
    folders=(f"{FOLDER}/Cat", f"{FOLDER}/Dog"),
    limits=UnpackLimits(member_bytes=64 << 20, total_bytes=4 << 30, members=100_000),
    known_damaged=frozenset({"Cat/666.jpg", "Dog/11702.jpg"}),
    licence="Microsoft Research Asirra data set; terms: https://www.microsoft.com/en-us/download/details.aspx?id=54765",
    citation=(
        "Elson, Douceur, Howell and Saul 2007, Asirra: A CAPTCHA that Exploits Interest-Aligned Manual Image "
        "Categorization, ACM CCS"
    ),
    homepage="https://www.microsoft.com/en-us/download/details.aspx?id=54765",
)


def download(request: DownloadRequest) -> DownloadResult:
    """Fetch and unpack the official archive."""
    return OFFICIAL.download(request)


def read_cats_vs_dogs(argument: str | None, options: OfficialOptions) -> Dataset:
    """Read the photos from the download, or from a copy: the archive, or a folder that holds it or its folders.

    The official archive has no split. Where ``train.txt`` and ``test.txt`` (one ``Cat/N.jpg`` a line) lie beside the class
    folders of a copy, they give one.
    """
    root = options.root.expanduser() if options.root is not None else OFFICIAL.downloaded()
    found = _find(root)
    chosen = ChosenImages(found.images)
    store = SampleStore(chosen)
    left_out: list[LeftOut] = []
    for place in order_of(found.names):
        name = found.names[place]
        damage = OFFICIAL.damage(name, found.images.source(place, name))
        if damage is not None:
            left_out.append(damage)
        else:
            chosen.places.append(place)
            store.add(name, CLASSES.index(name.partition("/")[0]))
    if not len(store.labels):
        raise DatasetError(f"{root}: no photos in {CLASSES[0]}/ and {CLASSES[1]}/")
    return Dataset(
        name=OFFICIAL.name,
        class_names=CLASSES,
        splits=_divide(store.samples(), found.lists),
        left_out=tuple(left_out),
        licence=OFFICIAL.licence,
        citation=OFFICIAL.citation,
        homepage=OFFICIAL.homepage,
    )


@dataclass(frozen=True)
class _Found:
    """The photos of a copy.

    Attributes:
        names: ``Cat/N.jpg`` or ``Dog/N.jpg``.
        images: where each is, by its place in `names`.
        lists: split name to the file that lists its photos; none where the copy has no split.
    """

    names: PackedStrings
    images: ImageSources
    lists: dict[str, Path]


def _find(root: Path) -> _Found:
    """Find the photos of a copy in any of its shapes."""
    for folder in (root / FOLDER, root):
        if all((folder / name).is_dir() for name in CLASSES):
            lists = {split: folder / f"{split}.txt" for split in ("train", "test")}
            present = lists if all(path.is_file() for path in lists.values()) else {}
            return _Found(PackedStrings(_folder_names(folder)), FolderImages(str(folder)), present)
    archive = root / OFFICIAL.files[0].name if root.is_dir() else root
    if not archive.is_file():
        raise DatasetError(
            f"{root}: holds neither the folders {FOLDER}/Cat and {FOLDER}/Dog nor {OFFICIAL.files[0].name}; "
            "--root takes a folder with either, or the archive itself"
        )
    listing = list_archive(archive)
    chosen = ChosenImages(listing)
    names = PackedStrings()
    for place, member in enumerate(listing.names):
        folder_name, _, name = member.partition("/")
        if folder_name == FOLDER and name.partition("/")[0] in CLASSES:
            chosen.places.append(place)
            names.append(name)
    return _Found(names, chosen, {})


def _folder_names(folder: Path) -> Iterator[str]:
    for class_name in CLASSES:
        with os.scandir(folder / class_name) as entries:
            for entry in entries:
                if entry.name.lower().endswith(".jpg"):
                    yield f"{class_name}/{entry.name}"


def _divide(samples: Sequence[Sample], lists: dict[str, Path]) -> dict[str, Sequence[Sample]]:
    if not lists:
        return {ALL: samples}
    places = {name: place for place, name in enumerate(names_of(samples))}
    splits: dict[str, Sequence[Sample]] = {}
    for split, path in lists.items():
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        complaints = Complaints(str(path), "image that is not there", "images that are not there")
        for number, name in enumerate(names, 1):
            if name not in places and name not in OFFICIAL.known_damaged:
                complaints.add(f"line {number}: {name}")
        complaints.raise_if_any()
        splits[split] = select_samples(samples, [places[name] for name in dict.fromkeys(names) if name in places])
    return splits
