"""Built-in plugin: your own photos in folders, archives and tables, and datasets everybody knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tlcore.hookspecs import hookimpl
from tlcore.specs import DatasetSpec

TLCORE_API_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """Options of a folder of photos."""

    per_class: int | None = field(
        default=None, metadata={"help": "use at most this many images of each class, the first by name", "minimum": 1}
    )


@dataclass(frozen=True, kw_only=True)
class ArchiveOptions(FolderOptions):
    """Options of an archive of photos."""


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """Options of a table of photos."""

    path_column: str = field(default="path", metadata={"help": "column that holds each photo's path"})
    label_column: str = field(default="label", metadata={"help": "column that holds each photo's class"})
    split_column: str | None = field(
        default=None, metadata={"help": "column that holds train, validation or test; none = 'split' where there is one"}
    )
    group_column: str | None = field(
        default=None, metadata={"help": "photos that share it stay in one split; none = 'group' where there is one"}
    )
    root: Path | None = field(default=None, metadata={"help": "what paths are relative to; none = the table's folder"})
    encoding: str = field(default="utf-8-sig", metadata={"help": "of CSV and JSON lines, for instance cp1252"})
    delimiter: str | None = field(default=None, metadata={"help": "of CSV; none = found out"})


@dataclass(frozen=True, kw_only=True)
class HuggingFaceOptions:
    """Options of a dataset of the Hugging Face datasets library."""

    image_column: str | None = field(default=None, metadata={"help": "none = the one image column"})
    label_column: str | None = field(default=None, metadata={"help": "none = the one class label column"})
    configuration: str | None = field(default=None, metadata={"help": "which configuration of the dataset"})
    revision: str | None = field(default=None, metadata={"help": "branch, tag or commit; none = newest"})


@dataclass(frozen=True, kw_only=True)
class OfficialOptions:
    """Options of a dataset that is downloaded."""

    root: Path | None = field(
        default=None, metadata={"help": "a copy you have: its folder, or where its archives are; none = the download"}
    )


@hookimpl
def tlcore_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="folder",
            summary="your photos: a folder per class, or train/ validation/ test/ with a folder per class in each",
            factory="tlcore_datasets.folder:read_folder",
            options=FolderOptions,
            argument="PATH",
            licence="yours",
            reads_paths=True,
        ),
        DatasetSpec(
            name="cats-vs-dogs",
            summary="25,000 photos of cats and dogs; 'tl data download cats-vs-dogs' fetches 825 MB",
            factory="tlcore_datasets.cats_vs_dogs:read_cats_vs_dogs",
            download="tlcore_datasets.cats_vs_dogs:download",
            options=OfficialOptions,
            licence="Microsoft's terms",
            homepage="https://www.microsoft.com/en-us/download/details.aspx?id=54765",
        ),
        DatasetSpec(
            name="oxford-iiit-pet",
            summary="7,349 photos of 37 breeds, :species for cat and dog; 'tl data download oxford-iiit-pet' fetches 811 MB",
            factory="tlcore_datasets.oxford_pets:read_oxford_pets",
            download="tlcore_datasets.oxford_pets:download",
            options=OfficialOptions,
            argument="species",
            licence="CC BY-SA 4.0",
            homepage="https://www.robots.ox.ac.uk/~vgg/data/pets/",
        ),
        *(
            DatasetSpec(
                name=name,
                summary=f"your photos: {what}, read without unpacking; folders in it as in 'folder'",
                factory="tlcore_datasets.archive:read_archive",
                options=ArchiveOptions,
                argument="FILE",
                licence="yours",
            )
            for name, what in (("zip", "a zip archive"), ("tar", "a tar archive, plain or compressed"))
        ),
        *(
            DatasetSpec(
                name=name,
                summary=f"your photos: {what} with a path and a label in each row, and a split and a group if you like",
                factory="tlcore_datasets.table:read_table",
                options=TableOptions,
                argument="FILE",
                licence="yours",
            )
            for name, what in (("csv", "a CSV or TSV file"), ("parquet", "a Parquet file"), ("jsonl", "a JSON lines file"))
        ),
        DatasetSpec(
            name="hf",
            summary="an image dataset of the Hugging Face datasets library, by name or from a local copy",
            factory="tlcore_datasets.hugging_face:read_hugging_face",
            options=HuggingFaceOptions,
            argument="NAME_OR_PATH",
            licence="its own",
        ),
        DatasetSpec(
            name="digits",
            summary="1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn; nothing is downloaded",
            factory="tlcore_datasets.digits:read_digits",
            licence="CC BY 4.0",
            homepage="https://archive.ics.uci.edu/dataset/80",
        ),
    ]
