"""The model card of a bundle: what a person should know of it, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlcore.bundle import BundleRecord


def model_card(record: BundleRecord) -> str:
    """Return the card of a bundle, with the front matter that model hubs read."""
    title = f"{record.dataset['name']} classifier"
    classes = ", ".join(record.classes[:40]) + (f" and {len(record.classes) - 40} more" if len(record.classes) > 40 else "")
    counts = record.dataset["counts"]
    lines = [
        "---",
        "library_name: timm",
        "pipeline_tag: image-classification",
        "tags: [image-classification, transfer-learning, tlcore]",
        "---",
        f"# {title}",
        "",
        f"Tells apart {len(record.classes)} classes: {classes}.",
        "",
        f"A `{record.head['name']}` head on features of `{record.backbone['name']}`{_tuned(record)}"
        + ("" if record.backbone["pretrained"] else " (untrained: random weights)")
        + f", made with tlcore {record.versions.get('tlcore', '')}.",
        "",
        "| split | images | accuracy, 95 % interval | log-loss |",
        "|---|---|---|---|",
        *[_row(name, counts[name], record.metrics.get(name)) for name in ("train", "validation", "test")],
        *[_row(name, sum(counts.values()), measured) for name, measured in record.metrics.items() if name not in counts],
        "",
        "## Use",
        "",
        "    tl predict THIS_DIRECTORY photo.jpg",
        "",
        "## Data and licences",
        "",
        f"- Data: {record.dataset['name']}; licence: {record.dataset['licence'] or 'not stated'}."
        + (f" {record.dataset['citation']}" if record.dataset["citation"] else ""),
        f"- Backbone weights: {record.backbone['origin'] or record.backbone['name']}; "
        f"licence: {record.backbone['licence'] or 'not stated'}.",
        f"- Images left out because they could not be read: {len(record.dataset['left_out'])}.",
        "",
        "## Limits",
        "",
        "It names one of its classes for any picture, also for one of something else entirely. Its accuracy was measured on",
        "images from the same source as its training images; on photos taken otherwise it may be lower.",
        "",
    ]
    return "\n".join(lines)


def _tuned(record: BundleRecord) -> str:
    tuned = record.head.get("finetune")
    if not tuned:
        return ""
    if not tuned["changed"]:
        return f"; fine-tuning both (`{tuned['name']}`) found nothing better"
    return f", network and head then fine-tuned (`{tuned['name']}`)"


def _row(split: str, images: int, metrics: dict[str, Any] | None) -> str:
    if metrics is None:
        return f"| {split} | {images} | not measured | |"
    top1 = metrics["top1"]
    accuracy = f"{100 * top1['value']:.1f} % [{100 * top1['low']:.1f}, {100 * top1['high']:.1f}]"
    return f"| {split} | {images} | {accuracy} | {metrics['log_loss']:.3f} |"
