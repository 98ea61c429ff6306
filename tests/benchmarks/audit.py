"""How quick an audit is, and how much memory it takes.

    python -m tests.benchmarks.audit speed [FOLDER]      against plain Pillow decoding of the same photos, turn by turn
    python -m tests.benchmarks.audit memory              peak memory at 1,000, 20,000 and 100,000 generated files
    python -m tests.benchmarks.audit fuzz [FOLDER]       2,000 real photos damaged at random places

FOLDER holds photos in class folders; by default the Cats-vs-Dogs photos in ../shared (TLCORE_SHARED).
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from tests.tlcore.audit.planted import encoded
from tests.tlcore.audit.test_damaged_images import damaged_images
from tlcore import Dataset, Registry, Sample
from tlcore.audit import audit_dataset, inspect_image
from tlcore.images import BytesImage
from tlcore.machine.cores import available_cores

# Not taken from tests.conftest, which has every shape checked: that would be measured too.
SHARED = Path(os.environ.get("TLCORE_SHARED", Path(__file__).parents[2] / ".." / "shared"))
PHOTOS = SHARED / "datasets" / "PetImages"


def speed(folder: Path, images: int = 1500, turns: int = 5) -> None:
    """Print images per second of both, and the median ratio of the turns."""
    every = Registry().dataset(str(folder))
    step = max(1, len(every.samples) // images)
    samples = every.samples[::step]
    dataset = Dataset(name="photos", class_names=every.class_names, splits={"all": samples})
    paths = [sample.image.path for sample in samples]  # type: ignore[attr-defined]
    walls, shares = [], []
    for turn in range(turns):
        plain = _timed(lambda: _decode_all(paths))
        with tempfile.TemporaryDirectory() as cache:
            first = _timed(lambda place=Path(cache): audit_dataset(dataset, cache_directory=place))  # type: ignore[misc]
            second = _timed(lambda place=Path(cache): audit_dataset(dataset, cache_directory=place))  # type: ignore[misc]
        walls.append(plain[0] / first[0])
        shares.append(plain[1] / first[1])
        rates = ", ".join(
            f"{name} {len(paths) / wall:,.0f} images/s"
            for name, (wall, _) in (("plain decoding", plain), ("first audit", first), ("second audit", second))
        )
        print(f"turn {turn + 1}: {rates}; ratio {walls[-1]:.2f} by the clock, {shares[-1]:.2f} by processor time")
    print(
        f"median ratio {statistics.median(walls):.2f} by the clock, {statistics.median(shares):.2f} by processor time; "
        f"{turns} turns, {len(paths)} photos, {available_cores()} cores, load {os.getloadavg()[0]:.1f}"
    )


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of work by the clock, and by processor time of all threads."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def _decode_all(paths: list[Path]) -> None:
    def decode(path: Path) -> None:
        with Image.open(path) as image:
            image.convert("RGB")

    with ThreadPoolExecutor(available_cores()) as pool:
        for _ in pool.map(decode, paths):
            pass


def memory() -> None:
    """Print the peak resident memory of reading a folder, and of reading and auditing it, in fresh processes."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for count in (1_000, 20_000, 100_000):
            _generate(root / "files", count)
            peaks = []
            for mode in ("read", "audit"):
                command = [sys.executable, "-m", "tests.benchmarks.audit", f"peak-{mode}", str(root / "files")]
                peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
            print(f"{count:>7,} files: read {peaks[0] / 1024:,.0f} MiB, read and audited {peaks[1] / 1024:,.0f} MiB")


def _generate(root: Path, count: int) -> None:
    """Add pictures of 40 x 40 pixels until there are so many; each has other bytes and another look."""
    random = np.random.default_rng(count)
    for label in "ab":
        (root / label).mkdir(parents=True, exist_ok=True)
    have = sum(1 for _ in root.rglob("*.png"))
    for index in range(have, count):
        coarse = Image.fromarray(random.integers(0, 255, (10, 10, 3), np.uint8))
        (root / "ab"[index % 2] / f"{index}.png").write_bytes(encoded(coarse.resize((40, 40)), "PNG", compress_level=1))


def peak(folder: Path, *, audit: bool) -> None:
    """Print this process's peak resident memory in KiB after the work."""
    dataset = Registry().dataset(str(folder))
    if audit:
        with tempfile.TemporaryDirectory() as cache:
            report = audit_dataset(dataset, cache_directory=Path(cache))
        assert not report.problems, report.problems
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def fuzz(folder: Path, count: int = 2000) -> None:
    """Print how many of the damaged photos were decoded and how many listed, and the slowest; any other end raises."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    originals = [path.read_bytes() for path in paths[:: max(1, len(paths) // 200)]]
    listed, slowest = 0, 0.0
    with _quiet():
        for data in damaged_images(count, originals):
            started = time.perf_counter()
            listed += bool(inspect_image(data).problem)
            slowest = max(slowest, time.perf_counter() - started)
        samples = tuple(Sample(BytesImage(data), str(i), i % 2) for i, data in enumerate(damaged_images(count, originals)))
        finding = audit_dataset(Dataset(name="damaged", class_names=("a", "b"), splits={"all": samples})).finding(
            "unreadable"
        )
    assert finding is not None and finding.count == listed
    print(f"{count} damaged photos: {count - listed} decoded, {listed} listed; slowest {slowest * 1000:.0f} ms")


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def main() -> None:
    """Run what the command line asks for."""
    what, *rest = sys.argv[1:] or ["speed"]
    folder = Path(rest[0]) if rest else PHOTOS
    if what == "speed":
        speed(folder)
    elif what == "memory":
        memory()
    elif what == "fuzz":
        fuzz(folder)
    elif what.startswith("peak-"):
        peak(folder, audit=what == "peak-audit")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    os.environ.setdefault("TLCORE_HOME", tempfile.gettempdir())
    main()
