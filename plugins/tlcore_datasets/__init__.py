"""Built-in plugin: folders of photos, and the digits that come with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field

from tlcore.hookspecs import hookimpl
from tlcore.specs import DatasetSpec

TLCORE_API_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """Options of a folder of photos."""

    per_class: int | None = field(
        default=None, metadata={"help": "use at most this many images of each class, the first by name", "minimum": 1}
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
            name="digits",
            summary="1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn; nothing is downloaded",
            factory="tlcore_datasets.digits:read_digits",
            licence="CC BY 4.0",
            homepage="https://archive.ics.uci.edu/dataset/80",
        ),
    ]
