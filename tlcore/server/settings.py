"""How the server is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tlcore.errors import ServerError
from tlcore.preprocess import Preprocess


@dataclass(frozen=True, kw_only=True)
class ModelPlace:
    """One model to serve: its name, version and file."""

    name: str
    version: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How to serve.

    Attributes:
        models: what to serve.
        host, port: where to listen; port 0 takes a free one.
        workers: images classified at a time; None for as many as this process may use cores.
        queue: requests that may wait for a worker; beyond it they are answered 503 with Retry-After.
        per_client: requests that one address may have under way; beyond it is answered 429 with Retry-After. None for no
            limit, which is right behind a proxy, where all requests come from one address.
        deadline: seconds a request may take once its body is there; beyond it is answered 503.
        body_seconds: seconds a client may take to send a body; beyond it is answered 408.
        body_bytes: of a request at most, also after decompression.
        image_pixels: of an image at most, read from its header before decoding.
        images: per request at most.
        formats: Pillow's names of the image formats taken.
        token: that requests must bear; empty for none.
        certificate, key: TLS files; None serves plain HTTP.
        drain_seconds: after SIGTERM, during which requests are still taken while clients hear that it closes.
        watch_seconds: between looks whether a model file has changed.
        preprocess: for ONNX files that tlcore did not write: how images become their input; None refuses such files.
        batching: ``"auto"`` measures at the start whether computing several images at once pays; ``"on"``, ``"off"``.
    """

    models: tuple[ModelPlace, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = None
    queue: int = 64
    per_client: int | None = None
    deadline: float = 30.0
    body_seconds: float = 15.0
    body_bytes: int = 20_000_000
    image_pixels: int = 25_000_000
    images: int = 64
    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP")
    token: str = ""
    certificate: Path | None = None
    key: Path | None = None
    drain_seconds: float = 1.0
    watch_seconds: float = 1.0
    preprocess: Preprocess | None = None
    batching: str = "auto"

    def __post_init__(self) -> None:
        if not self.models:
            raise ServerError("there is no model to serve; name one or more ONNX files")
        if (self.certificate is None) != (self.key is None):
            raise ServerError("TLS takes both files, the certificate and its key")
        for name in ("queue", "deadline", "body_seconds", "body_bytes", "image_pixels", "images", "watch_seconds"):
            if getattr(self, name) <= 0:
                raise ServerError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.per_client is not None and self.per_client < 1:
            raise ServerError(f"per_client must be at least 1, got {self.per_client}")
        if self.batching not in ("auto", "on", "off"):
            raise ServerError(f"batching must be auto, on or off, got {self.batching!r}")


def parse_models(texts: tuple[str, ...]) -> tuple[ModelPlace, ...]:
    """Read what to serve from texts like ``model.onnx``, ``pets=model.onnx`` or ``pets@2=model.onnx``.

    Without a name a model is called like its file; without a version, models of one name are numbered from 1.

    >>> [(place.name, place.version) for place in parse_models(("a/pets.onnx", "pets=b.onnx", "x@7=c.onnx"))]
    [('pets', '1'), ('pets', '2'), ('x', '7')]
    """
    places: list[ModelPlace] = []
    for text in texts:
        before, separator, after = text.rpartition("=")
        path = Path(after)
        name, _, version = before.partition("@") if separator else (path.stem, "", "")
        if not name or any(mark in name for mark in "/?#%"):
            raise ServerError(f"{text}: {name!r} is no name for a model; write NAME=FILE")
        taken = {place.version for place in places if place.name == name}
        version = version or str(len(taken) + 1)
        if version in taken:
            raise ServerError(f"{text}: model {name!r} has a version {version!r} already")
        places.append(ModelPlace(name=name, version=version, path=path))
    return tuple(places)
