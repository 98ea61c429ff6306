"""Whether data can be learnt from, and what a person should know of it before trusting the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tlcore.backbone import Backbone
from tlcore.dataset import Dataset
from tlcore.errors import DatasetError
from tlcore.features import FeatureSet
from tlcore.packed_samples import labels_of


def check_classes(dataset: Dataset) -> None:
    """Raise `DatasetError` unless the dataset has images of two classes."""
    present = np.unique(labels_of(dataset.samples))
    if len(present) < 2:
        only = dataset.class_names[present[0]]
        raise DatasetError(f"{dataset.name}: has images of one class only ({only!r}); a classifier needs two or more")


def check_training_set(dataset: Dataset, train: FeatureSet) -> None:
    """Raise `DatasetError` unless readable training images of two classes are left; says why the first was not read."""
    present = set(train.labels.tolist())
    if len(present) < 2:
        first = f"; the first: {train.left_out[0].reason}" if train.left_out else ""
        raise DatasetError(
            f"{dataset.name}: {len(train.samples)} readable training images of {len(present)} class"
            f"{'' if len(present) == 1 else 'es'}, a classifier needs two classes or more "
            f"({len(train.left_out)} could not be read{first})"
        )


def remarks(dataset: Dataset, features: Mapping[str, FeatureSet], backbone: Backbone, *, measured: bool) -> tuple[str, ...]:
    """Return what a person should know of the data and the backbone, one line each; `measured` where folds measure."""
    notes = []
    if not backbone.info.pretrained:
        notes.append(f"{backbone.info.name} is untrained: its weights are random, a pretrained network would do far better")
    for split, consequence in (("train", "it is never predicted"), ("test", "nothing measures it")):
        present = set(features[split].labels.tolist())
        absent = [name for label, name in enumerate(dataset.class_names) if label not in present]
        if absent and features[split].samples:
            notes.append(f"no image of {_some(absent)} in {split}: {consequence}")
    counts = Counter(label for part in features.values() for label in part.labels.tolist())
    single = [dataset.class_names[label] for label, count in sorted(counts.items()) if count == 1]
    if measured and single:
        notes.append(f"one image only of {_some(single)}: the fold that tests it has not learned it")
    if not features["test"].samples and not measured:
        notes.append("no test images: accuracy on new photos was not measured")
    return tuple(notes)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
