"""Image datasets of the Hugging Face ``datasets`` library, from a local copy or by name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tlcore.dataset import ALL, Dataset
from tlcore.errors import DatasetError, ImageError
from tlcore.machine.network import can_connect
from tlcore.packed_samples import SampleStore
from tlcore_datasets import HuggingFaceOptions
from tlcore_datasets.layout import SPLIT_FOLDERS


@dataclass(frozen=True, slots=True)
class HuggingFaceImage:
    """An image in a row of an Arrow table.

    Attributes:
        table: a `datasets.Dataset` of the image column alone, not decoded.
        column, row: where the image is.
    """

    table: Any = field(repr=False, compare=False)
    column: str
    row: int

    def read(self) -> bytes:
        """Return the encoded bytes; raises `ImageError` where the row has none."""
        cell = self.table[self.row][self.column]
        if cell is not None and cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        if cell is not None and cell.get("path"):
            return Path(cell["path"]).read_bytes()
        raise ImageError(f"row {self.row}: holds no image")


@dataclass(frozen=True)
class HuggingFaceImages:
    """The images of several tables, one after the other.

    Attributes:
        tables: each a `datasets.Dataset` of the image column alone, not decoded.
        column: where the images are.
        starts: the number of the first image of each table, and behind the last.
    """

    tables: list[Any] = field(repr=False)
    column: str
    starts: list[int]

    def source(self, row: int, name: str) -> HuggingFaceImage:
        """Return an image by its number in all tables."""
        table = bisect_right(self.starts, row) - 1
        return HuggingFaceImage(self.tables[table], self.column, row - self.starts[table])


def read_hugging_face(argument: str | None, options: HuggingFaceOptions) -> Dataset:
    """Read a dataset that the ``datasets`` library has saved or can load; splits called train, validation and test are kept.

    Raises:
        DatasetError: the library is missing, the dataset cannot be loaded, or it has no image and label columns.
    """
    if not argument:
        raise DatasetError("hf needs a name or a path, for instance 'hf:saved-dataset' or 'hf:organisation/name'")
    tables = _load(argument, options)
    image_column, label_column = _columns(argument, tables, options)
    class_names = _class_names(argument, tables, label_column)
    label_of = {name: index for index, name in enumerate(class_names)}
    images = HuggingFaceImages([], image_column, [0])
    store = SampleStore(images)
    for split, table in tables.items():
        images.tables.append(_undecoded(table, image_column))
        images.starts.append(images.starts[-1] + len(table))
        for row, label in enumerate(_labels(argument, split, table, label_column, label_of)):
            store.add(f"{split}/{row:07d}", label)
    info = next(iter(tables.values())).info
    return Dataset(
        name=f"hf:{argument}",
        class_names=class_names,
        splits={
            split: store.samples(start, end) for split, (start, end) in zip(tables, pairwise(images.starts), strict=True)
        },
        licence=str(info.license or ""),
        citation=" ".join(str(info.citation or "").split()),
        homepage=str(info.homepage or ""),
    )


def _load(argument: str, options: HuggingFaceOptions) -> Mapping[str, Any]:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise DatasetError("hf: needs the package 'datasets': pip install 'tlcore[huggingface]'") from error
    path = Path(argument).expanduser()
    try:
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            loaded = datasets.load_from_disk(str(path))
        else:
            source = str(path) if path.exists() else argument
            with _quick_to_give_up():
                loaded = datasets.load_dataset(source, options.configuration, revision=options.revision)
    except ConnectionError as error:
        raise DatasetError(
            f"hf:{argument}: the Hub cannot be reached, or may not be (--offline), and no copy of it is here; run "
            f"datasets.load_dataset({argument!r}).save_to_disk('DIR') in Python where there is a network, bring DIR here, "
            "and name it: hf:DIR"
        ) from error
    except datasets.exceptions.DatasetNotFoundError as error:
        raise DatasetError(
            f"hf:{argument}: is no folder here, and the Hub has no such dataset or shows it only to those who log in "
            "('hf auth login', or HF_TOKEN); check its name, ORGANISATION/NAME"
        ) from error
    except Exception as error:  # the library raises many types without a common base
        told = " ".join(str(error).split())[:300]
        raise DatasetError(f"hf:{argument}: cannot be loaded: {type(error).__name__}: {told}") from error
    if isinstance(loaded, datasets.Dataset):
        return {ALL: loaded}
    named = {SPLIT_FOLDERS[name]: table for name, table in loaded.items() if name in SPLIT_FOLDERS}
    if "train" not in named:
        raise DatasetError(f"hf:{argument}: has the splits {', '.join(loaded)}, expected one called 'train'")
    return named if len(named) > 1 else {ALL: named["train"]}


@contextmanager
def _quick_to_give_up() -> Iterator[None]:
    """Let the libraries go by what is cached where the Hub is out of reach; they would ask six times, for 23 seconds."""
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    if not any(before) and not can_connect(constants.ENDPOINT):
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


def _columns(argument: str, tables: Mapping[str, Any], options: HuggingFaceOptions) -> tuple[str, str]:
    import datasets

    features = next(iter(tables.values())).features
    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    labels = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    chosen = []
    for kind, asked, found in (("image", options.image_column, images), ("label", options.label_column, labels)):
        if asked is not None and asked in features:
            chosen.append(asked)
            continue
        usual = [name for name in found if name == kind] or found
        if asked is not None or len(usual) != 1:
            unclear = f"has no column {asked!r}" if asked else f"it is not clear which column holds the {kind}"
            raise DatasetError(
                f"hf:{argument}: {unclear}; "
                f"its columns are {', '.join(features)}; name one with --set dataset.{kind}_column=NAME"
            )
        chosen.append(usual[0])
    return chosen[0], chosen[1]


def _class_names(argument: str, tables: Mapping[str, Any], column: str) -> tuple[str, ...]:
    feature = next(iter(tables.values())).features[column]
    if hasattr(feature, "names"):
        return tuple(feature.names)
    return tuple(sorted({str(value) for table in tables.values() for value in table[column]}))


def _labels(argument: str, split: str, table: Any, column: str, label_of: Mapping[str, int]) -> list[int]:
    named = not hasattr(table.features[column], "names")
    labels = [label_of[str(value)] if named else int(value) for value in table[column]]
    unlabelled = [row for row, label in enumerate(labels) if label < 0]
    if unlabelled:
        raise DatasetError(
            f"hf:{argument}: {len(unlabelled):,} rows of {split} have no label, the first are "
            f"{', '.join(map(str, unlabelled[:10]))}"
        )
    return labels


def _undecoded(table: Any, column: str) -> Any:
    import datasets

    return table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
