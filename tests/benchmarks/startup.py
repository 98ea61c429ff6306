"""How quickly `tl` and `import tlcore` start, as ratios to bare Python importing click and numpy, taken in turn in one run.

    python -m tests.benchmarks.startup [--rounds 21]

Also the seconds that Ctrl-C takes to stop a training run.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TL = str(Path(sys.executable).with_name("tl"))
COMMANDS = {
    "import click": [sys.executable, "-c", "import click"],
    "tl --version": [TL, "--version"],
    "tl --help": [TL, "--help"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import tlcore": [sys.executable, "-c", "import tlcore"],
}
PAIRS = [("tl --version", "import click", 1.5), ("tl --help", "import click", 1.5), ("import tlcore", "import numpy", 1.3)]


def seconds(command: list[str]) -> float:
    """Time one run of a command."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def interrupted_after(delay: float) -> float:
    """Start a training run, interrupt it after `delay` seconds, and time how long it takes to end."""
    settings = ["--set", "backbone.pretrained=false"]
    with tempfile.TemporaryDirectory() as directory:
        command = [TL, "train", "digits", "--backbone", "timm/vgg16", *settings, "--no-cache"]
        process = subprocess.Popen(command, cwd=directory, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        sent = time.perf_counter()
        process.wait()
        return time.perf_counter() - sent


def main() -> None:
    """Print medians in milliseconds and the ratios with the bars they are held to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, command in COMMANDS.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:15s} {1000 * median:7.1f} ms")
    for ours, bare, bar in PAIRS:
        ratio = statistics.median(a / b for a, b in zip(times[ours][1:], times[bare][1:], strict=True))
        print(f"{ours} / {bare}: {ratio:.2f} (bar {bar})")
    for delay in (1.0, 4.0, 12.0):
        print(f"Ctrl-C after {delay:4.1f} s stops in {interrupted_after(delay):.2f} s (bar 2)")


if __name__ == "__main__":
    main()
