"""Cats-vs-Dogs and Oxford-IIIT Pet from the download to the dataset, against a local server, and from copies."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.tlcore.data.file_server import FileServer, serve
from tests.tlcore_datasets.official_archives import BREEDS, cats_vs_dogs_zip, pet_lists, pets_archives, served_from
from tlcore import Dataset, Registry
from tlcore.audit import audit_dataset
from tlcore.errors import DatasetError, DownloadError
from tlcore.machine.paths import datasets_directory
from tlcore_cli.main import tl
from tlcore_datasets import cats_vs_dogs, oxford_pets

CATS_ZIP = "kagglecatsanddogs_5340.zip"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve() as state:
        yield state


@pytest.fixture
def cats_server(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    server.files[CATS_ZIP] = cats_vs_dogs_zip()
    monkeypatch.setattr(cats_vs_dogs, "OFFICIAL", served_from(cats_vs_dogs.OFFICIAL, server.files, server.address))
    return server


@pytest.fixture
def pets_server(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    server.files |= pets_archives()
    monkeypatch.setattr(oxford_pets, "OFFICIAL", served_from(oxford_pets.OFFICIAL, server.files, server.address))
    return server


@pytest.fixture
def pets_folder(tmp_path: Path) -> Path:
    for content in pets_archives().values():
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(tmp_path / "pets", filter="data")
    return tmp_path / "pets"


def assert_cats(dataset: Dataset) -> None:
    assert dataset.class_names == ("Cat", "Dog")
    assert len(dataset.samples) == 24
    assert {entry.name for entry in dataset.left_out} == {"Cat/666.jpg", "Dog/11702.jpg"}
    assert all("so it is in the official archive" in entry.reason for entry in dataset.left_out)
    assert "Asirra" in dataset.citation


def assert_pets(dataset: Dataset) -> None:
    assert dataset.class_names == tuple(BREEDS)
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 33, "test": 15}
    assert [entry.name for entry in dataset.left_out] == [
        "images/beagle_116.jpg",
        "images/chihuahua_121.jpg",
        "images/Abyssinian_999.jpg",
    ]
    assert dataset.licence == "CC BY-SA 4.0"


def test_cats_are_downloaded_unpacked_and_read(cats_server: FileServer) -> None:
    result = Registry().download("cats-vs-dogs")
    assert list(result.files) == [CATS_ZIP]
    assert sorted(os.listdir(result.directory.parent)) == ["data", CATS_ZIP]
    assert_cats(Registry().dataset("cats-vs-dogs"))
    Registry().download("cats-vs-dogs")
    assert len(cats_server.requests) == 1


def test_pets_are_downloaded_unpacked_and_read(pets_server: FileServer) -> None:
    pets_server.faults = ["cut"]
    Registry().download("oxford-iiit-pet")
    assert_pets(Registry().dataset("oxford-iiit-pet"))
    species = Registry().dataset("oxford-iiit-pet:species")
    assert species.class_names == ("Cat", "Dog")
    labels = {sample.name.partition("/")[2].rpartition("_")[0]: sample.label + 1 for sample in species.samples}
    assert labels == BREEDS


def test_archives_put_there_by_hand_are_used(pets_server: FileServer) -> None:
    place = datasets_directory() / "oxford-iiit-pet"
    place.mkdir(parents=True)
    for name, content in pets_server.files.items():
        (place / name).write_bytes(content)
    Registry().download("oxford-iiit-pet")
    assert pets_server.requests == []
    assert_pets(Registry().dataset("oxford-iiit-pet"))


def test_a_mirror_given_by_a_person_is_used(pets_server: FileServer) -> None:
    pets_server.files |= {f"mirror/{name}": content for name, content in list(pets_server.files.items())}
    Registry().download("oxford-iiit-pet", urls=[f"{pets_server.address}mirror/"])
    assert {path for path, _ in pets_server.requests} == {"/mirror/images.tar.gz", "/mirror/annotations.tar.gz"}


def test_an_archive_of_something_else_is_refused(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("holidays/1.jpg", b"")
    server.files[CATS_ZIP] = other.getvalue()
    monkeypatch.setattr(cats_vs_dogs, "OFFICIAL", served_from(cats_vs_dogs.OFFICIAL, server.files, server.address))
    with pytest.raises(DatasetError, match="holds no folder 'PetImages/Cat'; it is not the archive of cats-vs-dogs"):
        Registry().download("cats-vs-dogs")
    with pytest.raises(DatasetError, match="cats-vs-dogs is not on this computer"):
        Registry().dataset("cats-vs-dogs")


def test_the_official_digest_is_asked_of_any_mirror(server: FileServer) -> None:
    """The digests in the code are those of the official archives; another file is refused, and nothing is left."""
    server.files[CATS_ZIP] = b"x" * 1000
    with pytest.raises(DownloadError, match=r"has 1,000 bytes there, expected 824,887,076; fetch http://127.0.0.1"):
        Registry().download("cats-vs-dogs", urls=[server.address])
    assert not [path for path in datasets_directory().rglob("*") if path.is_file()]


def test_nothing_cached_and_no_network_is_one_line_that_helps() -> None:
    with pytest.raises(DatasetError) as told:
        Registry().dataset("oxford-iiit-pet")
    place = datasets_directory() / "oxford-iiit-pet"
    assert str(told.value) == (
        "oxford-iiit-pet is not on this computer: run 'tl data download oxford-iiit-pet', or fetch "
        "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz and "
        "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz by hand, put them in "
        f"{place} and run the same; a copy elsewhere is used with --root DIR"
    )


def test_other_datasets_say_there_is_nothing_to_download() -> None:
    with pytest.raises(DatasetError, match="dataset 'digits' is not downloaded by tlcore"):
        Registry().download("digits")


def test_the_command_tells_licence_and_citation_once(cats_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    result = CliRunner().invoke(tl, ["data", "download", "cats-vs-dogs"])
    assert result.exit_code == 0, result.output
    assert "licence: Microsoft" in result.stderr
    assert "please cite: Elson" in result.stderr
    again = CliRunner().invoke(tl, ["data", "download", "cats-vs-dogs"])
    assert again.exit_code == 0 and "licence" not in again.stderr
    as_json = CliRunner().invoke(tl, ["data", "download", "cats-vs-dogs", "--json"])
    assert json.loads(as_json.stdout)["name"] == "cats-vs-dogs"


def test_the_command_obeys_offline() -> None:
    result = CliRunner().invoke(tl, ["--offline", "data", "download", "cats-vs-dogs"])
    assert isinstance(result.exception, DownloadError)
    assert "forbids downloading" in str(result.exception)


@pytest.mark.parametrize("shape", ["archive", "folder of the archive", "unpacked", "PetImages itself"])
def test_copies_of_cats_in_any_shape(shape: str, tmp_path: Path) -> None:
    archive = tmp_path / CATS_ZIP
    archive.write_bytes(cats_vs_dogs_zip())
    if "archive" not in shape:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(tmp_path / "copy")
    root = {"archive": archive, "folder of the archive": tmp_path, "unpacked": tmp_path / "copy"}.get(shape)
    assert_cats(Registry().dataset("cats-vs-dogs", {"root": str(root or tmp_path / "copy" / "PetImages")}))


def test_lists_beside_the_photos_give_the_split(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(cats_vs_dogs_zip())) as opened:
        opened.extractall(tmp_path)
    (tmp_path / "PetImages" / "train.txt").write_text(
        "".join(f"{name}/{i}.jpg\n" for name in ("Cat", "Dog") for i in range(8))
    )
    (tmp_path / "PetImages" / "test.txt").write_text("Cat/9.jpg\nDog/10.jpg\nCat/666.jpg\n")
    dataset = Registry().dataset("cats-vs-dogs", {"root": tmp_path})
    assert {split: len(samples) for split, samples in dataset.splits.items()} == {"train": 16, "test": 2}
    (tmp_path / "PetImages" / "test.txt").write_text("".join(f"Cat/{i}.jpg\n" for i in range(90, 104)))
    with pytest.raises(DatasetError, match=r"test.txt: 14 images that are not there: line 1: Cat/90.jpg; .*; and 4 more"):
        Registry().dataset("cats-vs-dogs", {"root": tmp_path})


@pytest.mark.parametrize("shape", ["unpacked", "in oxford-iiit-pet/", "archives"])
def test_copies_of_pets_in_any_shape(shape: str, pets_folder: Path, tmp_path: Path) -> None:
    root = pets_folder
    if shape == "in oxford-iiit-pet/":
        shutil.move(pets_folder, tmp_path / "root" / "oxford-iiit-pet")
        root = tmp_path / "root"
    if shape == "archives":
        root = tmp_path / "archives"
        root.mkdir()
        for name, content in pets_archives().items():
            (root / name).write_bytes(content)
    assert_pets(Registry().dataset("oxford-iiit-pet", {"root": root}))
    assert_pets(Registry().dataset("oxford-iiit-pet", {"root": root}))


def test_misnamed_pets_are_noticed_by_the_audit(pets_folder: Path) -> None:
    finding = audit_dataset(Registry().dataset("oxford-iiit-pet", {"root": pets_folder})).finding("wrong-extension")
    assert finding is not None
    assert {entry.images[0] for entry in finding.entries} == {"images/Abyssinian_5.jpg", "images/Bengal_2.jpg"}


def test_a_photo_whose_ending_is_in_capitals_is_found(pets_folder: Path) -> None:
    (pets_folder / "images" / "Bengal_9.jpg").rename(pets_folder / "images" / "Bengal_9.JPG")
    dataset = Registry().dataset("oxford-iiit-pet", {"root": pets_folder})
    assert_pets(dataset)
    assert all(sample.image.read() for sample in dataset.samples)


def test_annotations_without_a_photo_are_said(pets_folder: Path) -> None:
    (pets_folder / "images" / "Bengal_9.jpg").unlink()
    dataset = Registry().dataset("oxford-iiit-pet", {"root": pets_folder})
    assert "images/Bengal_9.jpg: is listed in test.txt and not there" in {entry.reason for entry in dataset.left_out}


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        pytest.param(
            "test.txt", "Bengal_3 4 1", "test.txt: 1 malformed line: line 16: 'Bengal_3 4 1', expected NAME", id="short"
        ),
        pytest.param("test.txt", "Bengal_77 4 3 1", "1 malformed line: line 16: 'Bengal_77 4 3 1'", id="third species"),
        pytest.param(
            "test.txt", "Bengal_1 4 1 1", "1 contradiction: Bengal_1 is in trainval.txt and again in test.txt", id="twice"
        ),
        pytest.param("test.txt", "Bengal_77 2 1 1", "Bengal_77 is class 2, species 1, but american_bulldog", id="class"),
    ],
)
def test_annotations_that_contradict_themselves(name: str, line: str, message: str, pets_folder: Path) -> None:
    lists = pet_lists()
    (pets_folder / "annotations" / name).write_text("\n".join([*lists[name], line]))
    with pytest.raises(DatasetError, match=message):
        Registry().dataset("oxford-iiit-pet", {"root": pets_folder})


def test_a_folder_with_neither_is_refused(tmp_path: Path) -> None:
    for name, expected in (("cats-vs-dogs", "nor kagglecatsanddogs_5340.zip"), ("oxford-iiit-pet", "nor images.tar.gz and")):
        with pytest.raises(DatasetError, match=expected):
            Registry().dataset(name, {"root": tmp_path})


def test_the_photos_at_hand_are_of_the_official_layouts(shared: Path) -> None:
    cats = Registry().dataset("cats-vs-dogs", {"root": shared / "datasets"})
    assert {split: len(samples) for split, samples in cats.splits.items()} == {"train": 2000, "test": 1000}
    pets = Registry().dataset("oxford-iiit-pet", {"root": shared / "datasets"})
    assert (len(pets.class_names), len(pets.samples), pets.left_out) == (37, 483, ())
