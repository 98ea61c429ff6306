"""A storm on the server: thousands of requests, a tenth of them hostile, while the model is swapped and in the end it stops.

By hand: ``python -m tests.benchmarks.soak MODEL.onnx PHOTOS [--requests 30000] [--connections 32] [--swaps 10]``
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.tlcore.server.hostile import noise, png_bomb, text_bomb
from tlcore.exported.classifier import Classifier
from tlcore.exported.onnx_file import read_model_file, seal

Answer = tuple[tuple[str, float], ...]


@dataclass
class Storm:
    """What the storm found.

    Attributes:
        good, hostile: outcome to count; good outcomes are ``ok``, ``busy`` (503 with Retry-After) and failures by name.
        answers: which of the two models answered how often.
        memory_before, memory_after: of the server in megabytes, resident.
        exit_code: of the server after SIGTERM.
        swaps: how often the model file was replaced.
    """

    good: Counter[str] = field(default_factory=Counter)
    hostile: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    memory_before: float = 0.0
    memory_after: float = 0.0
    exit_code: int | None = None
    swaps: int = 0
    seconds: float = 0.0

    @property
    def wrong(self) -> dict[str, int]:
        """What should not have happened."""
        found = {name: count for name, count in self.good.items() if name not in ("ok", "busy")}
        found |= {name: count for name, count in self.hostile.items() if name.startswith("5") and name != "503"}
        return found


def other_model(model: Path, target: Path) -> Path:
    """Write a sound model that gives other answers: one class is favoured."""
    changed = onnx.load_model(model)
    record = read_model_file(model).record
    assert record is not None
    changed.ClearField("metadata_props")
    classes = len(record.labels)
    bias = next(entry for entry in changed.graph.initializer if list(entry.dims) == [classes])
    values = onnx.numpy_helper.to_array(bias) + np.eye(classes, dtype=np.float32)[0] * 10_000
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    target.write_bytes(seal(changed.SerializeToString(), record))
    return target


def storm(
    port: int, served: Path, models: tuple[Path, Path], photos: Sequence[bytes], process: subprocess.Popen[str],
    *, requests: int, connections: int, swaps: int,
) -> Storm:  # fmt: skip
    """Run the storm on a server that serves `served`, at first a copy of the first of the two models."""
    found = Storm()
    known = [_answers(model, photos) for model in models]
    warm = [
        threading.Thread(target=_work, args=(port, known, photos, 60, seed, Storm(), 0.1)) for seed in range(connections)
    ]
    _run(warm)
    time.sleep(1)
    found.memory_before = _resident(process.pid)
    started = time.perf_counter()
    share = requests // connections
    threads = [
        threading.Thread(target=_work, args=(port, known, photos, share, 1000 + seed, found, 0.1))
        for seed in range(connections)
    ]
    swapper = threading.Thread(target=_swap, args=(served, models, swaps, threads, found, process))
    _run([*threads, swapper])
    time.sleep(5)
    found.memory_after = _resident(process.pid)
    last = [threading.Thread(target=_work, args=(port, known, photos, 10**9, 5000 + seed, found, 0.0)) for seed in range(8)]
    for thread in last:
        thread.start()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    for thread in last:
        thread.join(60)
    found.exit_code = process.wait(60)
    found.seconds = time.perf_counter() - started
    return found


def _run(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _answers(model: Path, photos: Sequence[bytes]) -> list[Answer]:
    return [
        tuple((name, round(probability, 4)) for name, probability in prediction.classes)
        for prediction in Classifier(model).predict(photos, top_k=3)
    ]


def _swap(
    served: Path, models: tuple[Path, Path], swaps: int, threads: Sequence[threading.Thread], found: Storm,
    process: subprocess.Popen[str],
) -> None:  # fmt: skip
    """Replace the served file again and again: told by SIGHUP or left to be noticed, sometimes half written in place first."""
    while found.swaps < swaps and any(thread.is_alive() for thread in threads):
        time.sleep(0.3 if found.swaps % 2 else 2.5)
        new = models[(found.swaps + 1) % 2]
        if found.swaps % 3 == 2:
            data = new.read_bytes()
            served.write_bytes(data[: len(data) // 2])
            time.sleep(0.4)
        beside = served.with_suffix(".new")
        shutil.copy(new, beside)
        os.replace(beside, served)
        if found.swaps % 2 == 0:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
        found.swaps += 1


def _work(
    port: int, known: list[list[Answer]], photos: Sequence[bytes], count: int, seed: int, found: Storm, share: float
) -> None:
    """Send requests over one connection that stays open, hostile ones over their own; stop where the server says it closes."""
    chance = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(count):
        if chance.random() < share:
            kind = chance.choice(list(HOSTILE))
            found.hostile[HOSTILE[kind](port, chance)] += 1
            continue
        index = chance.randrange(len(photos))
        try:
            connection.request("POST", "/v1/predict?top_k=3", photos[index])
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            found.good[f"lost: {type(error).__name__}"] += 1
            return
        _judge(answer, body, [answers[index] for answers in known], found)
        if (answer.getheader("connection") or "").lower() == "close" and answer.status != 503:
            return
        if answer.status == 503:
            time.sleep(0.05)
    connection.close()


def _judge(answer: http.client.HTTPResponse, body: bytes, right: list[Answer], found: Storm) -> None:
    if answer.status == 503 and answer.getheader("retry-after"):
        found.good["busy"] += 1
        return
    if answer.status != 200:
        found.good[f"status {answer.status}"] += 1
        return
    given = {entry["class"]: entry["probability"] for entry in json.loads(body)["classes"]}
    for number, expected in enumerate(right):
        if given.keys() == {name for name, _ in expected} and all(abs(given[n] - p) < 2e-3 for n, p in expected):
            found.good["ok"] += 1
            found.answers[f"model {number}"] += 1
            return
    found.good["wrong answer"] += 1


def _ask(body: bytes, path: str = "/v1/predict", **headers: str) -> Callable[[int, random.Random], str]:
    def ask(port: int, chance: random.Random) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    return ask


def _raw(data: bytes, wait: float = 0.0) -> Callable[[int, random.Random], str]:
    """Send bytes as they are, wait, and go away."""

    def send(port: int, chance: random.Random) -> str:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            try:
                connection.sendall(data)
                time.sleep(wait * chance.random())
            except OSError as error:
                return type(error).__name__
        return "left"

    return send


def _loris(port: int, chance: random.Random) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for byte in b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nab":
            try:
                connection.sendall(bytes([byte]))
            except OSError as error:
                return type(error).__name__
            time.sleep(0.002)
    return "left"


_PNG = noise("PNG")
HOSTILE: dict[str, Callable[[int, random.Random], str]] = {
    "truncated": _ask(_PNG[: len(_PNG) // 2]),
    "bomb": _ask(png_bomb(4000)),
    "text bomb": _ask(text_bomb()),
    "text": _ask(b"<html>", content_type="text/html"),
    "other format": _ask(noise("BMP")),
    "broken form": _ask(b"--x\r\n", content_type="multipart/form-data; boundary=x"),
    "long name": _ask(b"{}", "/v2/models/" + "n" * 10_000 + "/infer"),
    "wrong tensor": _ask(b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [9, 9], "data": [1]}]}', "/v2/models/x/infer"),
    "oversized": _raw(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n" + b"x" * 5000, 0.2),
    "no http": _raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50),
    "gone": _raw(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n" + _PNG[:3000], 0.1),
    "gone before the answer": _raw(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(_PNG) + _PNG),
    "slow": _loris,
}  # fmt: skip


def _resident(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    """Run the storm from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--swaps", type=int, default=10)
    asked = parser.parse_args()
    photos = [file.read_bytes() for file in sorted(asked.photos.rglob("*")) if file.suffix in (".jpg", ".png")][:40]
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder, "served.onnx")
        shutil.copy(asked.model, served)
        models = (asked.model, other_model(asked.model, Path(folder, "other.onnx")))
        process, port = start(served)
        found: Any = storm(
            port, served, models, photos, process,
            requests=asked.requests, connections=asked.connections, swaps=asked.swaps,
        )  # fmt: skip
    for name in ("good", "hostile", "answers", "memory_before", "memory_after", "exit_code", "swaps", "seconds", "wrong"):
        print(name, getattr(found, name))


def start(served: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a server; returns its process and port."""
    command = [sys.executable, "-m", "tlcore_cli", "serve", f"m={served}", "--port", "0", "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if '"serving"' in line:
            port = int(json.loads(line)["url"].rstrip("/").rpartition(":")[2])
            threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()
            return process, port
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
