"""``tl serve``."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import click

from tlcore_cli.command import Command, settings_of

EPILOG = """\b
Examples:
  tl serve model.onnx
  tl serve pets=pets.onnx cats=cats.onnx --port 9000
  tl serve pets@1=old.onnx pets@2=new.onnx
  curl --data-binary @photo.jpg http://127.0.0.1:8000/v1/predict
"""


@click.command(cls=Command, epilog=EPILOG)
@click.argument("models", nargs=-1, required=True, metavar="[NAME[@VERSION]=]FILE...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 for every network.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--workers", type=click.IntRange(1), help="Images classified at a time.  [default: the cores it may use]")
@click.option("--queue", default=64, show_default=True, type=click.IntRange(1), help="Requests that may wait.")
@click.option("--per-client", type=click.IntRange(1), help="Requests one address may have under way.  [default: no limit]")
@click.option("--deadline", default=30.0, show_default=True, help="Seconds a request may take.")
@click.option("--max-body", default=20.0, show_default=True, help="Megabytes of a request at most.")
@click.option("--max-megapixels", default=25.0, show_default=True, help="Of an image at most.")
@click.option("--formats", default="JPEG,PNG,WEBP", show_default=True, help="Image formats that are taken.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the bearer token that requests must carry.")
@click.option("--certificate", type=click.Path(path_type=Path), help="TLS certificate (PEM).")
@click.option("--key", type=click.Path(path_type=Path), help="TLS key (PEM).")
@click.option(
    "--preprocess",
    "preprocess_file",
    type=click.Path(path_type=Path),
    help="For ONNX files tlcore did not write: a JSON file with their preprocess record.",
)
@click.option("--drain", default=1.0, show_default=True, help="Seconds between SIGTERM and closing the door.")
@click.option("--batching", type=click.Choice(["auto", "on", "off"]), default="auto", show_default=True, help="Compute "
              "requests' images together; auto measures whether it pays.")  # fmt: skip
@click.pass_context
def serve(
    context: click.Context,
    models: tuple[str, ...],
    host: str,
    port: int,
    workers: int | None,
    queue: int,
    per_client: int | None,
    deadline: float,
    max_body: float,
    max_megapixels: float,
    formats: str,
    token_file: Path | None,
    certificate: Path | None,
    key: Path | None,
    preprocess_file: Path | None,
    drain: float,
    batching: str,
) -> None:
    """Serve exported models over HTTP, on the CPU, without torch.

    The page is at /, the interface is described at /openapi.json; /v2 is the Open Inference Protocol, /metrics is for
    Prometheus. A changed model file is taken up once it is whole, at the latest on SIGHUP. TLCORE_TOKEN may hold the token
    in place of --token-file. One line of JSON per event goes to stderr.
    """
    from tlcore.errors import ServerError
    from tlcore.server.settings import ServerSettings, parse_models
    from tlcore_cli.preprocess_file import read_preprocess

    try:
        from tlcore.server.run import serve as run
    except ModuleNotFoundError as error:
        raise ServerError(f"serving needs the package {error.name!r}: pip install 'tlcore[serve]'") from error
    settings = ServerSettings(
        models=parse_models(models),
        host=host,
        port=port,
        workers=workers,
        queue=queue,
        per_client=per_client,
        deadline=deadline,
        body_bytes=int(max_body * 1e6),
        image_pixels=int(max_megapixels * 1e6),
        formats=tuple(name.strip().upper() for name in formats.split(",") if name.strip()),
        token=_token(token_file),
        certificate=certificate,
        key=key,
        preprocess=read_preprocess(preprocess_file),
        drain_seconds=drain,
        batching=batching,
    )
    run(settings, _quiet if settings_of(context).quiet else _log)


def _token(file: Path | None) -> str:
    from tlcore.errors import ServerError

    if file is None:
        return os.environ.get("TLCORE_TOKEN", "").strip()
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServerError(f"{file}: the token cannot be read: {error}") from error
    if not token:
        raise ServerError(f"{file}: holds no token")
    return token


def _log(event: str, **fields: object) -> None:
    line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **fields}
    sys.stderr.write(json.dumps(line, ensure_ascii=True) + "\n")


def _quiet(event: str, **fields: object) -> None:
    if event in ("serving", "failed", "model_kept"):
        _log(event, **fields)
