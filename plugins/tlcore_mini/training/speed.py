"""How many images a second the network in the box embeds, against mobilenetv2_100 at 224 px: same engine, in turns."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

BATCH_SIZE = 32
ROUNDS = 9
SECONDS_PER_TURN = 0.5


def _session(folder: Path, size: int) -> Any:
    import onnxruntime

    network = timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0).eval()
    program = torch.onnx.export(network, (torch.zeros(BATCH_SIZE, 3, size, size),), dynamo=True, verbose=False)
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def images_per_second(data_folder: Path, weights_folder: Path) -> dict[str, float]:
    """Images a CPU-second of both in onnxruntime float32 on one thread, and how many times faster ours is.

    CPU time, which equals wall time on an idle machine, keeps what else runs there out of the figure.
    """
    own_size = json.loads((weights_folder / "config.json").read_text())["pretrained_cfg"]["input_size"][-1]
    contestants = {"mini": (weights_folder, own_size), "mobilenetv2_100": (data_folder / "weights" / "mobilenetv2_100", 224)}
    random = np.random.default_rng(0)
    turns = {
        name: (_session(folder, size), random.random((BATCH_SIZE, 3, size, size), dtype=np.float32))
        for name, (folder, size) in contestants.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(ROUNDS):
        for name, (session, pictures) in turns.items():
            rates[name].append(_rate(session, pictures))
    ratios = [ours / theirs for ours, theirs in zip(rates["mini"], rates["mobilenetv2_100"], strict=True)]
    return {
        **{name: float(np.median(of_turns)) for name, of_turns in rates.items()},
        "ratio": float(np.median(ratios)),
        "smallest_ratio": min(ratios),
        "largest_ratio": max(ratios),
    }


def _rate(session: Any, pictures: np.ndarray) -> float:
    feed = {session.get_inputs()[0].name: pictures}
    session.run(None, feed)
    started, count = time.thread_time(), 0
    while time.thread_time() - started < SECONDS_PER_TURN:
        session.run(None, feed)
        count += len(pictures)
    return count / (time.thread_time() - started)
