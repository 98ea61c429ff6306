"""From features to places on a plane: PCA, t-SNE, UMAP."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float32
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from tlcore.errors import DatasetError, VisualizationError
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore_visualizers.embedding_map import MapOptions

FEWEST = 3
"""Images that a map needs at least."""

_COMPONENTS = 50
"""What features are reduced to by PCA before t-SNE and UMAP, as their authors advise."""


def project(
    features: Float32[np.ndarray, "images features"], options: MapOptions, *, seed: int, progress: Progress = silent
) -> Float32[np.ndarray, "images 2"]:
    """Lay features out on a plane, the same each time for one seed.

    Each image's features are scaled to length 1 about the mean of all: nearness goes by direction. PCA as in Pearson 1901;
    t-SNE by van der Maaten and Hinton 2008, begun from the principal components (Kobak and Berens 2019); UMAP by McInnes et
    al. 2018.

    Args:
        features: one row an image.
        options: method and neighbourhood.
        seed: of t-SNE and UMAP.
        progress: told before and after.

    Returns:
        places in [0, 1], the longer side of the map filled, its shape kept.

    Raises:
        DatasetError: fewer than `FEWEST` images.
        VisualizationError: UMAP is not installed.
    """
    if len(features) < FEWEST:
        raise DatasetError(f"a map needs at least {FEWEST} images, got {len(features)}")
    progress(ProgressEvent(options.method, 0, 1))
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    rows = centred / np.where(lengths > 1e-12, lengths, 1)
    if not rows.any():
        places = np.zeros((len(rows), 2))
    elif options.method == "pca":
        places = _components(rows, 2)
    else:
        reduced = _components(rows, _COMPONENTS)
        neighbours = min(options.neighbours, len(rows) - 1)
        places = _t_sne(reduced, neighbours, seed) if options.method == "t-sne" else _umap(reduced, neighbours, seed)
    progress(ProgressEvent(options.method, 1, 1))
    return _fitted(places)


def _components(rows: np.ndarray, count: int) -> np.ndarray:
    count = min(count, *rows.shape)
    found = PCA(count, svd_solver="covariance_eigh" if rows.shape[1] <= 4 * len(rows) else "full").fit_transform(rows)
    return np.pad(found, ((0, 0), (0, max(0, 2 - count))))


def _t_sne(rows: np.ndarray, neighbours: int, seed: int) -> np.ndarray:
    perplexity = min(float(neighbours), (len(rows) - 1) / 3)
    places: np.ndarray = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed).fit_transform(rows)
    return places


def _umap(rows: np.ndarray, neighbours: int, seed: int) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # it tells of an optional part that is not used here
            from umap import UMAP
    except ModuleNotFoundError as error:
        raise VisualizationError(
            f"UMAP needs the package {error.name!r}, which is not installed: pip install 'tlcore[maps]'; or choose t-sne"
        ) from error
    made = UMAP(n_neighbors=max(2, neighbours), init="pca", random_state=seed % 2**32, n_jobs=1, low_memory=False)
    places: np.ndarray = made.fit_transform(rows)
    return places


def _fitted(places: np.ndarray) -> np.ndarray:
    """Move and scale places into the unit square, about its centre, shape kept."""
    lowest, highest = places.min(axis=0), places.max(axis=0)
    extent = float((highest - lowest).max())
    fitted: np.ndarray = 0.5 + (places - (lowest + highest) / 2) / (extent if extent > 0 else 1.0)
    return fitted.clip(0, 1).astype(np.float32)
