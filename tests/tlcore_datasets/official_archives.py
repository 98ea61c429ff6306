"""Archives of the shape in which Cats-vs-Dogs and Oxford-IIIT Pet are published, faults included, with made photos."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

from tests.tlcore.audit.planted import encoded, made_photo
from tlcore.data.download import RemoteFile
from tlcore_datasets.official import OfficialDataset

BREEDS = {"Abyssinian": 1, "american_bulldog": 2, "beagle": 2, "Bengal": 1, "chihuahua": 2}
"""Breed to species, 1 for cats; the class numbers follow this order."""


def cats_vs_dogs_zip() -> bytes:
    """24 sound photos, three of them no JPEG; the two damaged ones, a Thumbs.db in each folder, and papers beside them."""
    members: dict[str, bytes] = {"readme[1].txt": b"read me", "MSR-LA - 3467.docx": b"licence"}
    for label, name in enumerate(("Cat", "Dog")):
        members[f"PetImages/{name}/Thumbs.db"] = b"\xd0\xcf\x11\xe0"
        for number in range(12):
            format = {3: "PNG", 4: "GIF", 5: "BMP"}.get(number, "JPEG") if name == "Cat" else "JPEG"
            members[f"PetImages/{name}/{number}.jpg"] = encoded(made_photo(100 * label + number, (60, 45)), format)
    members["PetImages/Cat/666.jpg"] = b""
    members["PetImages/Dog/11702.jpg"] = encoded(made_photo(1))[:300]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return out.getvalue()


def pet_lists() -> dict[str, list[str]]:
    """trainval.txt and test.txt: seven and three photos of each breed."""
    lists: dict[str, list[str]] = {"trainval.txt": [], "test.txt": []}
    for class_id, (breed, species) in enumerate(BREEDS.items(), 1):
        numbers = [116 if breed == "beagle" else 121 if breed == "chihuahua" else 100, *range(1, 10)]
        for position, number in enumerate(numbers):
            lists["test.txt" if position > 6 else "trainval.txt"].append(f"{breed}_{number} {class_id} {species} 1")
    return lists


def pets_archives(lists: dict[str, list[str]] | None = None) -> dict[str, bytes]:
    """images.tar.gz and annotations.tar.gz; beagle_116 and chihuahua_121 are damaged, some photos are no JPEG."""
    lists = lists or pet_lists()
    images: dict[str, bytes] = {
        "images/Abyssinian_100.mat": b"MATLAB",
        "images/Abyssinian_999.jpg": encoded(made_photo(999)),
    }
    for index, line in enumerate(line for part in pet_lists().values() for line in part):
        name = line.split()[0]
        format = {"Abyssinian_5": "GIF", "Bengal_2": "PNG"}.get(name, "JPEG")
        data = encoded(made_photo(500 + index, (60, 45)), format)
        images[f"images/{name}.jpg"] = data[:200] if name in ("beagle_116", "chihuahua_121") else data
    annotations = {
        "annotations/README": b"read me",
        "annotations/list.txt": "\n".join(
            ["#Image CLASS-ID SPECIES BREED ID", *(line for part in lists.values() for line in part)]
        ).encode(),
        "annotations/trimaps/._Abyssinian_1.png": b"resource fork",
        **{f"annotations/{name}": "\n".join(part).encode() for name, part in lists.items()},
    }
    return {"images.tar.gz": _tar(images), "annotations.tar.gz": _tar(annotations)}


def served_from(official: OfficialDataset, archives: dict[str, bytes], address: str) -> OfficialDataset:
    """Return the dataset as if its makers published these archives at this address."""
    files = tuple(
        RemoteFile(
            name=file.name,
            urls=(address + file.name,),
            sha256=hashlib.sha256(archives[file.name]).hexdigest(),
            size=len(archives[file.name]),
        )
        for file in official.files
    )
    return replace(official, files=files)


def _tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()
