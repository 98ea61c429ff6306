"""tlcore inside scikit-learn: choose the head's strength by cross-validation, on features that are computed once."""

# scikit-learn has no types of its own.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from tlcore.sklearn import Classifier, Features


def search(photos: Sequence[Path], labels: Sequence[str], backbone: str, options: dict[str, object]) -> GridSearchCV:
    """Return the search, fitted: ``search.best_score_``, ``search.predict([photo])``."""
    cache = Path(tempfile.gettempdir(), "features")
    pipeline = make_pipeline(
        Features(backbone, options=options, cache_directory=cache), Classifier("linear", validation=0.0)
    )
    strengths = [{"regularisation": strength} for strength in (0.001, 0.1, 10.0)]
    return GridSearchCV(pipeline, {"classifier__options": strengths}, cv=3).fit(photos, labels)
