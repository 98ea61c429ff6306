"""``tl hello-report``: what a bundle is, in three lines."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--greeting", default="Hello", show_default=True, help="How the report begins.")
def hello_report(bundle: Path, greeting: str) -> None:
    """Say in three lines what BUNDLE is."""
    from tlcore import Registry, load_bundle

    record = load_bundle(bundle, Registry()).record
    click.echo(f"{greeting} from {bundle.name}: {record.backbone['name']} with the head {record.head['name']}")
    click.echo(f"It tells apart {', '.join(record.classes)}")
    measured = record.metrics.get("test")
    top1 = f"{100 * measured['top1']['value']:.1f} % of {measured['top1']['total']}" if measured else "not measured"
    click.echo(f"Right on new photos: {top1}")
