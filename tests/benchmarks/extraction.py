"""Speed of `tlcore`'s extraction beside the engines it stands on, fed arrays that were decoded before, and beside decoding alone.

python -m tests.benchmarks.extraction PHOTOS [--images 512] [--rounds 3] [--no-compile] [BACKBONE ...]

PHOTOS is a folder of photos, a folder per class. Networks are timm's, with random weights, or `local-dir:FOLDER` with real
ones: how much of a network may run in bfloat16, and so its speed, depends on them. An extraction opens its engine anew, so few
images make it look slower than it is. All is measured in one process, interleaved round by round; figures are medians of
images a second. Beside them: the engine's share of
the best peer's; the extraction's share of what decoding and computing on the same cores can reach together (each image costs the
time of both, since both keep every core busy); and wall time over the larger of the two alone. Where both fill all cores alone, no
order of the work can bring that below their sum over the larger: it stands beside it as the bound. On a GPU, where they are on
different devices, the bound is 1.
"""

from __future__ import annotations

import argparse
import io
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tlcore import Backbone, Registry, Sample
from tlcore.engines import Choice
from tlcore.engines.engine import Engine
from tlcore.engines.graph import OUTPUT, feature_graph
from tlcore.exported.onnx_file import INPUT
from tlcore.exported.runtime import import_onnxruntime
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.images import decode_image, read_image
from tlcore.machine.cores import available_cores
from tlcore.machine.memory import keep_freed
from tlcore.torch_network import PixelEmbedder

BACKBONES = ("timm/mobilenetv2_100", "timm/resnet18", "timm/vgg16", "timm/vit_tiny_patch16_224")
BATCH = 32


def main() -> None:
    """Measure each backbone and print one line of figures for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos")
    parser.add_argument("backbones", nargs="*", default=BACKBONES)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out: compiling takes half a minute")
    arguments = parser.parse_intermixed_args()
    keep_freed()
    registry = Registry()
    samples = registry.dataset(arguments.photos).samples
    samples = list(samples)[:: max(1, len(samples) // arguments.images)][: arguments.images]
    for name in arguments.backbones:
        backbone = registry.backbone(name, {} if name.startswith("local-dir:") else {"pretrained": False})
        measure(backbone, samples, arguments.rounds, compiled=not arguments.no_compile)


def measure(backbone: Backbone, samples: Sequence[Sample], rounds: int, *, compiled: bool) -> None:
    pixels = decode_all(backbone, samples)
    with tempfile.TemporaryDirectory() as directory:
        options = FeatureOptions()
        extractor = Extractor(backbone, options, samples=samples * 1000, cache_directory=Path(directory))
        engine = extractor.choice.engine
        runs: dict[str, Callable[[], object]] = {
            "decoding alone": lambda: decode_all(backbone, samples),
            "tlcore's engine, fed": lambda: run_engine(engine, pixels),
            "ONNX Runtime, fed": onnx_peer(backbone, pixels, Path(directory)),
            **({"torch.compile, fed": compile_peer(backbone, pixels)} if compiled else {}),
            "a plain script": plain_script(backbone, samples, Path(directory)),
            "extraction": lambda: extract(backbone, samples, Path(directory)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - started)
    report(backbone, extractor.choice, {name: statistics.median(taken) for name, taken in seconds.items()}, len(samples))


def report(backbone: Backbone, choice: Choice, seconds: dict[str, float], images: int) -> None:
    print(f"{backbone.info.architecture}: {choice}")
    on_gpu = choice.engine.on_gpu
    for name, taken in seconds.items():
        print(f"  {name:22} {images / taken:8.1f} images/s")
    best = min(taken for name, taken in seconds.items() if name in ("ONNX Runtime, fed", "torch.compile, fed"))
    decoding, computing, whole = (seconds[name] for name in ("decoding alone", "tlcore's engine, fed", "extraction"))
    print(f"  engine over the best peer                 {best / computing:.2f}")
    print(f"  extraction over the best peer             {best / whole:.2f}")
    print(f"  extraction over a plain script            {seconds['a plain script'] / whole:.2f}")
    print(f"  extraction over decoding alone            {decoding / whole:.2f}")
    print(f"  extraction over decoding and engine in sum {(decoding + computing) / whole:.2f}")
    larger = max(decoding, computing)
    bound = 1.0 if on_gpu else (decoding + computing) / larger
    print(f"  wall over the larger of the two           {whole / larger:.2f}   (bound {bound:.2f})", flush=True)


def decode_all(backbone: Backbone, samples: Sequence[Sample]) -> np.ndarray:
    def decode(sample: Sample) -> np.ndarray:
        return backbone.info.preprocess.pixels(decode_image(read_image(sample.image, sample.name), sample.name))

    with ThreadPoolExecutor(available_cores()) as pool:
        return np.stack(list(pool.map(decode, samples)))


def run_engine(engine: Engine, pixels: np.ndarray) -> None:
    parts = [pixels[start : start + engine.batch_size] for start in range(0, len(pixels), engine.batch_size)]
    with ThreadPoolExecutor(available_cores() if engine.parallel else 1) as pool:
        for _ in pool.map(engine.features, parts):
            pass


def extract(backbone: Backbone, samples: Sequence[Sample], graphs: Path) -> None:
    """Extract with a cache that has the engine's graph and no rows."""
    with tempfile.TemporaryDirectory() as directory:
        for part in ("graphs", "engines"):
            if (graphs / part).exists():
                (Path(directory) / part).symlink_to(graphs / part)
        extractor = Extractor(backbone, FeatureOptions(), samples=samples, cache_directory=Path(directory))
        extractor.extract(samples)


def bare_session(backbone: Backbone, directory: Path) -> Any:
    """Return an ONNX Runtime session with its own defaults: all cores."""
    graph = feature_graph(backbone, directory)
    return import_onnxruntime().InferenceSession(graph, providers=["CPUExecutionProvider"])


def plain_script(backbone: Backbone, samples: Sequence[Sample], directory: Path) -> Callable[[], None]:
    """Return what one would write in an afternoon: Pillow in as many threads as cores, a bare session, batches of 32."""
    session = bare_session(backbone, directory)
    preprocess = backbone.info.preprocess

    def decode(sample: Sample) -> np.ndarray:
        with Image.open(io.BytesIO(sample.image.read())) as image:
            return preprocess.pixels(image.convert("RGB"))

    def run() -> None:
        with ThreadPoolExecutor(available_cores()) as pool:
            decoded = pool.map(decode, samples)
            while batch := list(itertools.islice(decoded, BATCH)):
                session.run([OUTPUT], {INPUT: np.stack(batch)})

    return run


def onnx_peer(backbone: Backbone, pixels: np.ndarray, directory: Path) -> Callable[[], None]:
    """Return a run of a bare session on pixels, batches of 32."""
    session = bare_session(backbone, directory)

    def run() -> None:
        for start in range(0, len(pixels), BATCH):
            session.run([OUTPUT], {INPUT: pixels[start : start + BATCH]})

    run()
    return run


def compile_peer(backbone: Backbone, pixels: np.ndarray) -> Callable[[], None]:
    """Return a run of the network compiled by torch, float32, channels last, batches of 32, compiled before."""
    network = PixelEmbedder(backbone.torch_embedder().eval(), backbone.info.preprocess).eval()
    compiled = torch.compile(network.to(memory_format=torch.channels_last), options={"freezing": True})

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, len(pixels) - BATCH + 1, BATCH):
                compiled(torch.from_numpy(pixels[start : start + BATCH]))

    run()
    return run


if __name__ == "__main__":
    main()
