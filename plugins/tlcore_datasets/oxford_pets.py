"""Oxford-IIIT Pet: 7,349 photos of 37 breeds of cats and dogs, with an official split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tlcore.data.download import RemoteFile, file_sha256
from tlcore.data.unpack import UnpackLimits, unpack
from tlcore.dataset import Dataset, LeftOut
from tlcore.errors import DatasetError, did_you_mean
from tlcore.images import FolderImage
from tlcore.machine.paths import datasets_directory
from tlcore.packed_samples import PackedSamples, SampleStore
from tlcore.packed_strings import PackedStrings
from tlcore.specs import DownloadRequest, DownloadResult
from tlcore_datasets import OfficialOptions
from tlcore_datasets.complaints import Complaints
from tlcore_datasets.official import OfficialDataset

SPECIES = ("Cat", "Dog")
_SPLITS = {"train": "trainval.txt", "test": "test.txt"}
_URLS = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/", "https://thor.robots.ox.ac.uk/pets/"

OFFICIAL = OfficialDataset(
    name="oxford-iiit-pet",
    files=(
        RemoteFile(
            name="images.tar.gz",
            urls=tuple(f"{url}images.tar.gz" for url in _URLS),
            sha256="67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
            size=791_918_971,
        ),
        RemoteFile(
            name="annotations.tar.gz",
            urls=tuple(f"{url}annotations.tar.gz" for url in _URLS),
            sha256="52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            size=19_173_078,
        ),
    ),
    folders=("images", "annotations"),
    limits=UnpackLimits(member_bytes=64 << 20, total_bytes=4 << 30, members=100_000),
    known_damaged=frozenset({"images/beagle_116.jpg", "images/chihuahua_121.jpg"}),
    licence="CC BY-SA 4.0",
    citation="Parkhi, Vedaldi, Zisserman and Jawahar 2012, Cats and Dogs, IEEE CVPR",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/pets/",
)


def download(request: DownloadRequest) -> DownloadResult:
    """Fetch and unpack the official archives."""
    return OFFICIAL.download(request)


@dataclass(frozen=True)
class _Annotation:
    """One line of an annotation list."""

    name: str
    breed_id: int
    species: int

    @property
    def breed(self) -> str:
        return self.name.rpartition("_")[0]


@dataclass(frozen=True)
class _Photos:
    """Photos of which the name's ending may be written otherwise than the annotations say.

    Attributes:
        folder: that all are in.
        files: each one's path below it.
    """

    folder: str
    files: PackedStrings = field(default_factory=PackedStrings, repr=False)

    def source(self, row: int, name: str) -> FolderImage:
        return FolderImage(self.folder, self.files[row])


def read_oxford_pets(argument: str | None, options: OfficialOptions) -> Dataset:
    """Read the official trainval and test lists; classes are the 37 breeds, or cat and dog with ``:species``.

    Photos of another format than their name says are read by their content. A photo without an annotation, or the other way
    round, is said in `Dataset.left_out`.

    Raises:
        DatasetError: not there, or annotations that contradict themselves; all such lines are counted, ten are named.
    """
    if argument not in (None, "species", "breed"):
        raise DatasetError(
            f"{OFFICIAL.name}: there is no variant {argument!r}{did_you_mean(argument or '', ['species', 'breed']) or ';'} "
            f"{OFFICIAL.name} has the breeds, {OFFICIAL.name}:species cat and dog"
        )
    root = _find(options.root.expanduser()) if options.root is not None else OFFICIAL.downloaded()
    lists = {split: _read_list(root / "annotations" / name) for split, name in _SPLITS.items()}
    breeds = _check_lists(root, lists)
    class_names = SPECIES if argument == "species" else breeds
    labels = {breed: label for label, breed in enumerate(breeds)}
    left_out: list[LeftOut] = []

    def label_of(annotation: _Annotation) -> int:
        return annotation.species - 1 if argument == "species" else labels[annotation.breed]

    splits = _splits(root, lists, label_of, left_out)
    return Dataset(
        name=OFFICIAL.name if argument is None else f"{OFFICIAL.name}:{argument}",
        class_names=class_names,
        splits=splits,
        left_out=tuple(left_out),
        licence=OFFICIAL.licence,
        citation=OFFICIAL.citation,
        homepage=OFFICIAL.homepage,
    )


def _splits(
    root: Path, lists: Mapping[str, list[_Annotation]], label_of: Callable[[_Annotation], int], left_out: list[LeftOut]
) -> dict[str, PackedSamples]:
    """Return the photos that the lists name; what is amiss goes to `left_out`."""
    files = {
        path.stem: f"images/{path.name}" for path in sorted((root / "images").iterdir()) if path.suffix.lower() == ".jpg"
    }
    images = _Photos(str(root))
    store = SampleStore(images)
    splits: dict[str, PackedSamples] = {}
    for split, listed in lists.items():
        start = len(store.labels)
        for annotation in listed:
            name = f"images/{annotation.name}.jpg"
            file = files.pop(annotation.name, None)
            if file is None:
                left_out.append(LeftOut(name, f"{name}: is listed in {_SPLITS[split]} and not there"))
                continue
            damage = OFFICIAL.damage(name, FolderImage(images.folder, file))
            if damage is not None:
                left_out.append(damage)
                continue
            images.files.append(file)
            store.add(name, label_of(annotation))
        splits[split] = store.samples(start)
    left_out += [LeftOut(name, f"{name}: is in no annotation list") for name in files.values()]
    return splits


def _find(root: Path) -> Path:
    """Return the folder that holds images/ and annotations/; two archives are unpacked into the cache first, once."""
    for folder in (root, root / "oxford-iiit-pet"):
        if all((folder / name).is_dir() for name in OFFICIAL.folders):
            return folder
        archives = [folder / file.name for file in OFFICIAL.files]
        if all(archive.is_file() for archive in archives):
            digest = "".join(file_sha256(archive)[:16] for archive in archives)
            place = datasets_directory() / OFFICIAL.name / f"copy-{digest}"
            if not place.is_dir():
                unpack(archives, place, limits=OFFICIAL.limits)
            return _find(place)
    raise DatasetError(
        f"{root}: holds neither the folders images/ and annotations/ nor images.tar.gz and annotations.tar.gz; "
        "--root takes a folder with either"
    )


def _read_list(path: Path) -> list[_Annotation]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: the annotation list cannot be read: {error}") from error
    found: list[_Annotation] = []
    complaints = Complaints(str(path), "malformed line", "malformed lines", "fetch the annotations again")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *numbers = line.split()
        if (
            len(numbers) != 3
            or not all(text.isdecimal() for text in numbers)
            or numbers[1] not in ("1", "2")
            or "_" not in name
        ):
            complaints.add(f"line {number}: {line!r}, expected NAME CLASS SPECIES(1 or 2) BREED")
            continue
        found.append(_Annotation(name, int(numbers[0]), int(numbers[1])))
    complaints.raise_if_any()
    return found


def _check_lists(root: Path, lists: Mapping[str, list[_Annotation]]) -> tuple[str, ...]:
    """Raise where the lists contradict themselves or each other; else return the breeds in order of their class numbers."""
    complaints = Complaints(str(root / "annotations"), "contradiction", "contradictions", "fetch the annotations again")
    split_of: dict[str, str] = {}
    breed_of: dict[int, _Annotation] = {}
    number_of: dict[str, int] = {}
    for split, listed in lists.items():
        for annotation in listed:
            if annotation.name in split_of:
                complaints.add(f"{annotation.name} is in {_SPLITS[split_of[annotation.name]]} and again in {_SPLITS[split]}")
            split_of[annotation.name] = split
            first = breed_of.setdefault(annotation.breed_id, annotation)
            number = number_of.setdefault(annotation.breed, annotation.breed_id)
            if (first.breed, first.species, number) != (annotation.breed, annotation.species, annotation.breed_id):
                complaints.add(f"{annotation.name} is class {annotation.breed_id}, species {annotation.species}, "
                               f"but {first.name} is {first.breed_id}, {first.species}")  # fmt: skip
    complaints.raise_if_any()
    return tuple(breed_of[number].breed for number in sorted(breed_of))
