"""How fast an exported model answers, in this process or over HTTP: throughput and latency percentiles."""

from __future__ import annotations

import http.client
import io
import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tlcore.errors import ServerError
from tlcore.exported.classifier import Classifier
from tlcore.machine.cores import available_cores

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_WARM_UP = 8
_START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What was measured.

    Attributes:
        images: how many were answered.
        seconds: wall time.
        concurrency: how many were asked at a time.
        percentiles: of the latency in milliseconds, by name: ``p50``, ``p90``, ``p99``.
    """

    images: int
    seconds: float
    concurrency: int
    percentiles: dict[str, float]

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Return the measures as JSON-ready values."""
        return {
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "concurrency": self.concurrency,
            "images_per_second": round(self.rate, 1),
            "latency_ms": {name: round(value, 2) for name, value in self.percentiles.items()},
        }


def synthetic_photos(count: int = 8, size: tuple[int, int] = (500, 375)) -> list[bytes]:
    """Return JPEG images of photo-like size and smoothness, for measuring where there are no photos."""
    photos = []
    for seed in range(count):
        coarse = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
        encoded = io.BytesIO()
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=88)
        photos.append(encoded.getvalue())
    return photos


def bench_classifier(
    classifier: Classifier, images: Sequence[bytes], *, seconds: float = 5.0, concurrency: int | None = None
) -> Bench:
    """Measure `Classifier` in this process on encoded images: decode, preprocess, compute.

    Args:
        classifier: what to measure.
        images: encoded; taken in turn.
        seconds: how long to measure.
        concurrency: how many images at a time; None for as many as this process may use cores.
    """

    def ask(image: bytes) -> None:
        classifier.run(classifier.pixels(image)[np.newaxis])

    return _measure(lambda: ask, images, seconds, concurrency if concurrency is not None else available_cores())


def bench_http(
    host: str, port: int, images: Sequence[bytes], *, seconds: float = 5.0, concurrency: int | None = None
) -> Bench:
    """Measure ``POST /v1/predict`` of a server over connections that stay open.

    Args:
        host, port: where it listens.
        images: encoded; taken in turn.
        seconds: how long to measure.
        concurrency: how many connections; None for twice the cores, so that the server never waits.

    Raises:
        ServerError: it cannot be reached, or answers anything else than 200.
    """

    opened = ExitStack()

    def connect() -> Callable[[bytes], None]:
        connection = http.client.HTTPConnection(host, port, timeout=60)
        opened.callback(connection.close)

        def ask(image: bytes) -> None:
            try:
                connection.request("POST", "/v1/predict", image, {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                body = answer.read()
            except OSError as error:
                raise ServerError(f"http://{host}:{port}: cannot be reached: {error}") from error
            if answer.status != 200:
                raise ServerError(f"http://{host}:{port}: answered {answer.status}: {body[:200].decode(errors='replace')}")

        return ask

    with opened:
        return _measure(connect, images, seconds, concurrency if concurrency is not None else 2 * available_cores())


@contextmanager
def running_server(model: Path) -> Iterator[tuple[str, int]]:
    """Serve a model from a process of its own while the block runs; gives host and port.

    Raises:
        ServerError: it does not start.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(model, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(_START_SECONDS):
            raise ServerError(f"{model}: the server did not start within {_START_SECONDS} seconds")
        try:
            told = ours.recv_bytes().decode()
        except EOFError:
            raise ServerError(f"{model}: the server did not start; 'tl serve {model}' says why") from None
        yield "127.0.0.1", int(told)
    finally:
        process.terminate()
        process.join(10)


def _serve(model: Path, teller: Connection) -> None:
    from tlcore.server.run import serve
    from tlcore.server.settings import ServerSettings, parse_models

    def log(event: str, **fields: object) -> None:
        if event == "serving":
            teller.send_bytes(str(fields["url"]).rstrip("/").rpartition(":")[2].encode())

    serve(ServerSettings(models=parse_models((str(model),)), port=0, drain_seconds=0.0), log)


def _measure(
    connect: Callable[[], Callable[[bytes], None]], images: Sequence[bytes], seconds: float, concurrency: int
) -> Bench:
    photos = list(images)
    times: list[list[float]] = [[] for _ in range(concurrency)]
    errors: list[BaseException] = []
    barrier = threading.Barrier(concurrency + 1)
    end = 0.0

    def work(number: int) -> None:
        turn = itertools.cycle(photos[number % len(photos) :] + photos[: number % len(photos)])
        try:
            ask = connect()
            for _ in range(_WARM_UP):
                ask(next(turn))
            barrier.wait()
            while (started := time.perf_counter()) < end or not times[number]:
                ask(next(turn))
                times[number].append(time.perf_counter() - started)
        except BaseException as error:  # noqa: BLE001  told to the caller's thread
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(concurrency)]
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    end = begun + 3600
    try:
        barrier.wait()
    except threading.BrokenBarrierError:
        end = 0.0
    begun = time.perf_counter()
    end = begun + seconds if end else 0.0
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - begun
    real = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
    if real:
        raise real[0]
    latencies = 1000 * np.concatenate([np.array(entry) for entry in times])
    return Bench(
        images=len(latencies),
        seconds=elapsed,
        concurrency=concurrency,
        percentiles={f"p{rank}": float(np.percentile(latencies, rank)) for rank in (50, 90, 99)},
    )
