"""Real kills of `tl train`: gone on with, a run ends with the weights of an unbroken one, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_shapes
from tlcore_cli.main import main

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")

SETTINGS = {
    "epochs": "3", "batch_size": "4", "mixup": "0.2", "averaging": "ema", "dropout": "0.2", "batch_norm": "batch",
    "checkpoint_seconds": "0", "patience": "none", "restore_best": "false", "workers": "1",
}  # fmt: skip


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tlcore_cli", "train", *arguments]


def first(output: str) -> list[str]:
    options = [word for name, value in SETTINGS.items() for word in ("--set", f"finetune.{name}={value}")]
    given = ["--backbone", "mini", "--set", "backbone.image_size=32", "--no-audit", "--finetune", "full"]
    return command("shapes", *given, "-o", output, *options)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("resume")
    write_shapes(place / "shapes", 5)
    return place


@pytest.fixture(scope="module")
def unbroken(place: Path, environment: dict[str, str]) -> bytes:
    subprocess.run(first("unbroken"), cwd=place, env=environment, check=True, capture_output=True, timeout=120)
    return (place / "unbroken" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def environment(place: Path) -> Iterator[dict[str, str]]:
    yield {**os.environ, "TLCORE_HOME": str(place / "home"), "OMP_NUM_THREADS": "1"}


def ended_at(
    line: list[str], place: Path, environment: dict[str, str], run: str, steps: int, number: int
) -> tuple[int, str]:
    """Start a run and send it a signal once so many updates are noted; return its exit code and what it said."""
    log = place / run / "metrics.jsonl"
    process = subprocess.Popen(line, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    patience = time.monotonic() + 100
    while not log.is_file() or log.read_text(encoding="utf-8").count('"event": "step"') < steps:
        assert process.poll() is None and time.monotonic() < patience, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_killed_and_terminated_it_ends_as_unbroken(
    place: Path,
    environment: dict[str, str],
    unbroken: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _ = ended_at(first("broken"), place, environment, "broken.run", 2, signal.SIGKILL)
    assert code == -signal.SIGKILL
    resume = command("--resume", "broken.run")
    code, said = ended_at(resume, place, environment, "broken.run", 5, signal.SIGTERM)
    assert code == 143
    assert "tl: terminated after update " in said and "go on with: tl train --resume broken.run" in said
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit):
        main([*first("broken")[3:], "--seed", "1"])
    assert "holds an unfinished run; go on with 'tl train --resume" in capsys.readouterr().err
    subprocess.run(resume, cwd=place, env=environment, check=True, capture_output=True, timeout=120)
    assert (place / "broken" / "model.safetensors").read_bytes() == unbroken
    assert not (place / "broken.run" / "checkpoint").exists()
    steps = [line for line in (place / "broken.run" / "metrics.jsonl").read_text().splitlines() if '"step": ' in line]
    counted = [line for line in steps if '"event": "step"' in line]
    assert len(counted) == len({line.split('"epoch"')[0] for line in counted}) == 9


REFUSED: list[tuple[list[str], str]] = [
    (["--resume", "unbroken.run"], "unbroken.run: is finished; its bundle is unbroken"),
    (["--resume", "shapes"], "shapes: holds no run (run.json is missing)"),
    (["--resume", "unbroken.run", "--seed", "3"], "--resume takes everything from the run; leave out seed"),
    ([], "name a dataset to train on, or a run to go on with"),
    (["shapes", "--finetune", "ful"], "unknown finetune 'ful'; did you mean 'full'? 'tl finetunes' lists them"),
    (["shapes", "--finetune", "full", "--set", "finetune.epochs=0"], "finetune full: option 'epochs' must be at least 1"),
    (["shapes", "--finetune", "full", "--observer", "wandb"], "unknown observer 'wandb'"),
    (["shapes", "--set", "finetune.epochs=3"], "options of fine-tuning are set, but not how to fine-tune"),
    (["shapes", "--finetune", "full", "--folds", "3"], "fine-tuning is measured on a test set"),
]


@pytest.mark.usefixtures("unbroken")
@pytest.mark.parametrize(
    ("arguments", "told"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_what_cannot_be_done_is_told(
    arguments: list[str], told: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(SystemExit) as left:
        main(["train", *arguments])
    assert left.value.code == 2
    assert told in capsys.readouterr().err
