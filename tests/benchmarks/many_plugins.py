"""What fifty installed plugins cost: `tl --help` against bare click with the same distributions, and listing.

    python -m tests.benchmarks.many_plugins [--plugins 50] [--rounds 15]

Listing is compared with importing the plugins' modules by hand; `tl plugins --json` tells the milliseconds of each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.startup import TL, seconds
from tests.conftest import write_distribution

MODULE = """
from dataclasses import dataclass, field
from tlcore import HeadSpec, hookimpl
TLCORE_API_VERSION = 1
@dataclass(frozen=True, kw_only=True)
class Options:
    steps: int = field(default=3, metadata={{"help": "how many"}})
@hookimpl
def tlcore_heads():
    return [HeadSpec(name="head-{index}", summary="a head", factory="plugin_{index}:create", options=Options)]
"""

BARE = (
    "import click\nclick.Group('bare', commands=[click.Command(f'c{i}', help='A command.') for i in range(12)])(['--help'])"
)
BY_HAND = (
    "import tlcore.registry, importlib\nfor i in range({count}): importlib.import_module(f'plugin_{{i}}').tlcore_heads()"
)


def main() -> None:
    """Print medians in milliseconds and the ratio with the bar it is held to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=15)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        site = Path(directory, "site")
        for index in range(settings.plugins):
            write_distribution(site, f"tlcore-plugin-{index}", f"plugin_{index}", MODULE.format(index=index))
        os.environ.update(PYTHONPATH=str(site), TLCORE_HOME=directory)
        commands = {
            "bare click --help": [sys.executable, "-c", BARE],
            "tl --help": [TL, "--help"],
            "import tlcore.registry": [sys.executable, "-c", "import tlcore.registry"],
            "import the plugins by hand": [sys.executable, "-c", BY_HAND.format(count=settings.plugins)],
            "Registry().offers": [sys.executable, "-c", "import tlcore; tlcore.Registry().offers('head')"],
            "tl heads": [TL, "heads"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(settings.rounds + 1):
            for name, command in commands.items():
                times[name].append(seconds(command))
        report = subprocess.run([TL, "plugins", "--json"], capture_output=True, text=True, check=True).stdout
    for name, values in times.items():
        print(f"{name:28s} {1000 * statistics.median(values[1:]):7.1f} ms")
    pairs = zip(times["tl --help"][1:], times["bare click --help"][1:], strict=True)
    print(f"tl --help / bare click: {statistics.median(a / b for a, b in pairs):.2f} (bar 1.5)")
    beyond = zip(times["Registry().offers"][1:], times["import the plugins by hand"][1:], strict=True)
    each = statistics.median(a - b for a, b in beyond) * 1000 / settings.plugins
    print(f"listing costs {each:.2f} ms a plugin beyond importing its module by hand")
    own = [entry["import_milliseconds"] for entry in json.loads(report) if entry["distribution"] != "tlcore"]
    print(f"told per plugin by 'tl plugins': median {statistics.median(own):.2f} ms, sum {sum(own):.1f} ms of {len(own)}")


if __name__ == "__main__":
    main()
