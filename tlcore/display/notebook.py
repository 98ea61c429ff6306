"""How results show themselves in a notebook: small self-contained pieces of HTML."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from PIL import Image

from tlcore.images import encode_png

if TYPE_CHECKING:
    from tlcore.bundle import BundleRecord
    from tlcore.evaluation import Evaluation
    from tlcore.visualizer import Picture, Visualization


def picture_html(picture: Picture) -> str:
    """Return a picture with its caption, its pixels inside."""
    encoded = base64.b64encode(encode_png(Image.fromarray(picture.pixels))).decode()
    caption = f"<figcaption>{escape(picture.caption or picture.name)}</figcaption>"
    image = f'<img alt="{escape(picture.name, quote=True)}" src="data:image/png;base64,{encoded}">'
    return f'<figure style="display: inline-block; margin: 0.5em">{image}{caption}</figure>'


def visualization_html(visualization: Visualization) -> str:
    """Return all pictures, side by side."""
    return "".join(picture_html(picture) for picture in visualization.pictures)


def bundle_html(path: str, record: BundleRecord) -> str:
    """Return what a bundle is, as a table."""
    rows = [
        ("bundle", path),
        ("classes", ", ".join(record.classes)),
        ("backbone", record.backbone["name"]),
        ("head", record.head["name"]),
        ("dataset", f"{record.dataset['name']}, {_counts(record.dataset['counts'])}"),
        *((f"right on {split}", _share(metrics["top1"])) for split, metrics in record.metrics.items()),
    ]
    return _table(rows)


def evaluation_html(evaluation: Evaluation) -> str:
    """Return an evaluation as a table, with the share found of each class."""
    metrics = evaluation.metrics
    rows = [
        ("dataset", f"{evaluation.dataset}, {evaluation.split}"),
        ("images", f"{evaluation.images} measured, {evaluation.seen} passed over, {len(evaluation.left_out)} left out"),
        ("right", str(metrics.top1)),
        *([("among the likeliest five", str(metrics.top5))] if metrics.top5 is not None else []),
        ("balanced", f"{100 * metrics.balanced_accuracy:.1f} %"),
        ("log-loss", f"{metrics.log_loss:.3f}"),
        *((f"found of {name}", str(share)) for name, share in metrics.recall.items()),
    ]
    return _table(rows)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} in {split}" for split, count in counts.items())


def _share(share: Mapping[str, Any]) -> str:
    return f"{100 * share['value']:.1f} % [{100 * share['low']:.1f}, {100 * share['high']:.1f}] of {share['total']}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"
