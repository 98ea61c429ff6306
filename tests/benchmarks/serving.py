"""Ratios of exporting and serving, from one run; every bar beside what was measured.

By hand, on real weights and photos: ``python -m tests.benchmarks.serving [--shared ../shared] [--rounds 3]``

What is compared is measured in turns, a few seconds each, and the median of the rounds is shown, since other work on the
machine comes and goes. Rates over HTTP count the processor time of the server's process alone, so that the clients, which share
its cores here, do not count against it; the wall-clock ratio stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlcore import Classifier, Registry, TrainOptions, train
from tlcore.bundle import Bundle
from tlcore.export import ExportOptions, export_onnx
from tlcore.exported.benchmark import bench_http, running_server, synthetic_photos
from tlcore.exported.runtime import open_session

SECONDS = 3.0


def main() -> None:
    """Measure everything and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("TLCORE_SHARED", "../shared")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="names to measure, separated by commas")
    asked = parser.parse_args()
    chosen = set(filter(None, asked.only.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        place = Place(asked.shared, Path(folder), asked.rounds)
        for name, measure in MEASURES.items():
            if not chosen or name in chosen:
                print(f"{name:<14} {measure(place)}", flush=True)


class Place:
    """Bundles and files that several measures need, made once."""

    def __init__(self, shared: Path, folder: Path, rounds: int) -> None:
        self.shared, self.folder, self.rounds = shared, folder, rounds
        self.registry = Registry()
        self._bundle: Bundle | None = None
        self._model: Path | None = None
        self.photos = [path.read_bytes() for path in sorted((shared / "datasets/PetImages/Cat").glob("*.jpg"))[:64]]

    @property
    def bundle(self) -> Bundle:
        """mobilenetv2_100 with a linear head on Cats-vs-Dogs, its own train and test lists."""
        if self._bundle is None:
            source, target = self.shared / "datasets/PetImages", self.folder / "pets"
            for split in ("train", "test"):
                for name in (source / f"{split}.txt").read_text().split():
                    (target / split / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source / name, target / split / name)
            options = TrainOptions(backbone=f"local-dir:{self.shared / 'weights/mobilenetv2_100'}")
            self._bundle = train(str(target), self.folder / "bundle", options, registry=self.registry).bundle
        return self._bundle

    @property
    def model(self) -> Path:
        """The bundle exported as float32."""
        if self._model is None:
            self._model = export_onnx(self.bundle, self.folder / "model.onnx", ExportOptions()).path
        return self._model


def turns(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Return the median of each measure, taken in turns."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for kept, measure in zip(found, measures, strict=True):
            kept.append(measure())
    return [statistics.median(kept) for kept in found]


def rate(work: Callable[[int], object], seconds: float = SECONDS) -> float:
    """Return calls per second of this process's processor time, one thread asking."""
    work(0)
    begun, started, calls = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        work(calls)
        calls += 1
    return calls / (time.process_time() - begun)


def http_ratio(place: Place) -> str:
    """JPEG to JSON over HTTP, against the classifier in this process."""
    classifier = Classifier(place.model)

    def inside() -> float:
        started, begun = time.perf_counter(), time.process_time()
        count = 0
        while time.perf_counter() - started < SECONDS:
            count += sum(1 for _ in classifier.predict(place.photos))
        walls.append(count / (time.perf_counter() - started))
        return count / (time.process_time() - begun)

    walls: list[float] = []
    outside_walls: list[float] = []
    with running_server(place.model) as (host, port):
        server = _server_process(port)

        def outside() -> float:
            begun = _cpu(server)
            measured = bench_http(host, port, place.photos, seconds=SECONDS)
            outside_walls.append(measured.rate)
            # the warm-up requests of each connection are counted in the processor time too
            return (measured.images + 8 * measured.concurrency) / (_cpu(server) - begun)

        first, second = turns(place.rounds, inside, outside)
    wall = statistics.median(outside_walls) / statistics.median(walls)
    return f"{second / first:.2f} per processor second, {wall:.2f} by the clock with clients on the same cores (bar 0.9)"


def binary_ratio(place: Place) -> str:
    """Infer with binary tensors, against the bare onnxruntime session."""
    import http.client

    classifier = Classifier(place.model)
    pixels = np.stack([classifier.pixels(photo) for photo in place.photos[:8]])
    session = open_session(place.model.read_bytes())

    def bare() -> float:
        return rate(lambda _: session.run(["probabilities"], {"images": pixels}))

    tensor = {"name": "images", "datatype": "UINT8", "shape": list(pixels.shape)}
    tensor["parameters"] = {"binary_data_size": pixels.nbytes}
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    header = json.dumps({"inputs": [tensor], "outputs": wanted}).encode()
    body = header + pixels.tobytes()
    with running_server(place.model) as (host, port):
        server = _server_process(port)
        connection = http.client.HTTPConnection(host, port)

        def served() -> float:
            begun, started, count = _cpu(server), time.perf_counter(), 0
            while time.perf_counter() - started < SECONDS:
                connection.request(
                    "POST", "/v2/models/model/infer", body, {"Inference-Header-Content-Length": str(len(header))}
                )
                assert len(connection.getresponse().read()) > 8
                count += 1
            return count / (_cpu(server) - begun)

        first, second = turns(place.rounds, bare, served)
    return f"{second / first:.2f} per processor second (bar 0.9)"


def int8_ratio(place: Place) -> str:
    """int8 against float32: mobilenetv2_100 with its accuracy, and an untrained resnet18."""
    result = export_onnx(place.bundle, place.folder / "int8.onnx", ExportOptions(precision="int8", force=True))
    told = [f"mobilenetv2_100: {result.record.checks['int8']['summary']} (bars: 2 times, 0.5 points)"]
    options = TrainOptions(backbone="timm/resnet18", backbone_options={"pretrained": False})
    few = place.folder / "few"
    for name in ("Cat", "Dog"):
        (few / name).mkdir(parents=True)
        for photo in sorted((place.shared / "datasets/PetImages" / name).glob("*.jpg"))[:40]:
            shutil.copy(photo, few / name)
    untrained = train(str(few), place.folder / "untrained", options, registry=place.registry).bundle
    forced = ExportOptions(precision="int8", force=True, calibration_images=24)
    result = export_onnx(untrained, place.folder / "resnet18-int8.onnx", forced)
    told.append(f"resnet18, untrained: {result.record.checks['int8']['speedup']:.2f} times as fast (bar 2)")
    return "; ".join(told)


def eager_ratio(place: Place) -> str:
    """The classifier against the same network in torch eager mode: one photo at a time, one thread."""
    import torch

    torch.set_num_threads(1)
    classifier = Classifier(place.model, threads=1)
    bundle, photos = place.bundle, place.photos

    def ours() -> float:
        return rate(lambda turn: classifier.run(classifier.pixels(photos[turn % len(photos)])[np.newaxis]))

    def eager() -> float:
        return rate(
            lambda turn: bundle.probabilities(bundle.logits(classifier.pixels(photos[turn % len(photos)])[np.newaxis]))
        )

    first, second = turns(place.rounds, ours, eager)
    return f"{first / second:.2f} (bar 1.5)"


def map_cost(place: Place) -> str:
    """What the activation map costs: the same network exported with it and without, one thread."""
    without = export_onnx(place.bundle, place.folder / "no-map.onnx", ExportOptions(activation_map=False)).path
    sessions = [open_session(path.read_bytes(), threads=1) for path in (place.model, without)]
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)

    def run(session: Any) -> float:
        started = time.process_time()
        session.run(["probabilities"], {"images": images})
        return time.process_time() - started

    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(200 * place.rounds):
        for kept, session in zip(times, sessions, strict=True):
            spent = run(session)
            if turn > 5:
                kept.append(spent)
    cost = statistics.median(times[0]) / statistics.median(times[1]) - 1
    return f"{100 * cost:+.1f} % (bar 3 %)"


def cold_start(place: Place) -> str:
    """``tl predict model.onnx photo.jpg`` against Python that imports onnxruntime and numpy."""
    photo = place.folder / "photo.jpg"
    photo.write_bytes(place.photos[0])
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
    ours = [sys.executable, "-m", "tlcore_cli", "predict", str(place.model), str(photo)]
    bare = [sys.executable, "-c", "import onnxruntime, numpy"]
    first, second = turns(4 * place.rounds, *(lambda c=c: _processor_time(c, environment) for c in (ours, bare)))
    return f"{first / second:.2f} times the processor time (bar 3); {1000 * first:.0f} and {1000 * second:.0f} ms"


def idle(place: Place) -> str:
    """Processor time of a server that nobody asks."""
    with running_server(place.model) as (host, port):
        bench_http(host, port, place.photos, seconds=1)
        time.sleep(13)
        server = _server_process(port)
        begun = _cpu(server)
        time.sleep(10)
        return f"{100 * (_cpu(server) - begun) / 10:.2f} % of one core (bar 1 %)"


def load_balance(place: Place) -> str:
    """Made-up photos for machines without real ones: `tl bench` as a person runs it."""
    ran = subprocess.run(
        [sys.executable, "-m", "tlcore_cli", "bench", str(place.model), "--http", "--json"], capture_output=True, text=True
    )
    found = json.loads(ran.stdout)
    assert len(synthetic_photos(2)) == 2
    return ", ".join(f"{name} {entry['images_per_second']} images/s" for name, entry in found.items())


def _processor_time(command: Sequence[str], environment: dict[str, str]) -> float:
    before = os.times()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _server_process(port: int) -> int:
    """Find the server: the child process of this one that is no resource tracker."""
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    children = children or Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    return next(pid for pid, command in commands.items() if "spawn_main" in command)


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


MEASURES: dict[str, Callable[[Place], str]] = {
    "http": http_ratio,
    "binary": binary_ratio,
    "eager": eager_ratio,
    "map": map_cost,
    "cold start": cold_start,
    "idle": idle,
    "bench": load_balance,
    "int8": int8_ratio,
}


if __name__ == "__main__":
    main()
