"""Every command in README.md and on the pages of docs/ is run, page by page and in order, on small stand-ins.

What a page's commands name is on the stage (`tests.docs.stage`); what they make is there for those after them. Long ones
get a few options more that shorten them.
"""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from tests.docs.stage import Installer, play_the_parts_of_others, write_models, write_stage
from tests.tlcore.data.file_server import serve
from tlcore.errors import TlcoreError
from tlcore.progress import Progress, ProgressEvent
from tlcore_cli.command import Settings
from tlcore_cli.main import tl

ROOT = Path(__file__).parents[2]

PASSED_OVER = {
    "python3 -m venv .venv && .venv/bin/pip install --quiet '.[all]' && .venv/bin/tl demo": "installs from an index",
    "python3 -m venv .venv && .venv/bin/pip install --quiet -e '.[dev]' && .venv/bin/python -m pytest -n auto": "this very run",
    "pip install 'tlcore[all]'": "installs from an index",
    "pip install 'tlcore[serve]'": "installs from an index",
    "tl demo": "tests/tlcore_cli/test_commands.py runs it",
    "torchrun --nproc-per-node 2 -m tlcore_cli train photos/ --finetune full": "tests/tlcore_finetune/test_processes.py runs it",
    "torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint FIRST-HOST:29500 -m tlcore_cli train "
    "photos/ --finetune full": "needs two machines",
}  # fmt: skip
"""Commands that are not run, and why; `test_nothing_is_passed_over_without_need` holds the list to what must be on it."""

SHORTER = {
    "tl ideal": ["--steps", "2"],
    "tl ideal --seconds": ["--seconds", "0.1"],
    "tl learning-curve": ["--repeats", "2"],
    "tl evaluate": ["--no-audit"],
    "tl bench": ["--seconds", "0.1"],
    "tl visualize ideal": ["--set", "visualizer.steps=2"],
    "tl lr-find": ["--steps", "20", "--set", "backbone.image_size=32"],
    "tl train --head auto": ["--set", "head.seconds=2"],
    "tl explain": ["--channels", "4", "--steps", "2"],
    "tl robustness": ["--images", "2", "--minutes", "0.05"],
    "tl serve": ["--port", "0"],
    "tl train --finetune": ["--set", "finetune.epochs=1", "--set", "backbone.image_size=32"],
    "python -m tests.benchmarks.ideal": ["--steps", "2", "--classes", "340,254"],
    "python -m tests.benchmarks.tricks": ["--epochs", "1", "--image-size", "32", "--only", "mixup 0.2"],
}
"""Options that are put behind commands that begin so (or hold all these words), for they would take minutes."""


def shell_blocks() -> ModuleType:
    found = importlib.util.spec_from_file_location("shell_blocks", ROOT / "docs" / "shell_blocks.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


BLOCKS = shell_blocks()


def commands(page: Path) -> list[str]:
    """Return a page's commands: those of its blocks in order, then whole ones in its sentences."""
    lines = [command.line for block in BLOCKS.blocks(page) for command in block.commands]
    inline = re.findall(r"`(tl [^`]+)`", page.read_text(encoding="utf-8"))
    whole = dict.fromkeys(" ".join(line.split()) for line in inline if is_whole(line))
    return [*lines, *(line for line in whole if line not in lines)]


def is_whole(line: str) -> bool:
    """Return whether text in a sentence is a command to type, and not the mere name of one or a pattern of several."""
    words, command = line.split()[1:], tl
    if re.search(r"\b[A-Z]{3,}\b|\.\.\.", line):
        return False
    while words and isinstance(command, click.Group) and command.get_command(click.Context(command), words[0]):
        command = command.get_command(click.Context(command), words.pop(0))
    return bool(words) and command is not tl


PAGES = [page for page in BLOCKS.pages() if commands(page)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


class Shell:
    """Runs command lines on the stage as a person would type them, those of tl in this process."""

    def __init__(self) -> None:
        self.server: subprocess.Popen[str] | None = None
        self.address = ""

    def run(self, line: str) -> None:
        words = [*shlex.split(line), *(more for start, added in SHORTER.items() if fits(start, line) for more in added)]
        target = None
        if ">" in words:
            words, target = words[: words.index(">")], Path(words[words.index(">") + 1])
        if words[:2] == ["tl", "serve"]:
            self.serve(words[1:])
        elif words[0] == "tl":
            if "--resume" in words:
                self.interrupt_a_run(words[-1])
            told = self.tl(words[1:])
            if target is not None:
                target.write_text(told, encoding="utf-8")
        elif words[0] == "curl":
            self.post(words)
        elif words[:2] == ["python", "-m"]:
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(sys.stderr):
                patch.setattr(sys, "argv", words[2:])
                patch.delitem(sys.modules, words[2], raising=False)  # other tests import some of these
                runpy.run_module(words[2], run_name="__main__")
        else:
            raise AssertionError(f"nobody here knows how to run {line!r}")

    def interrupt_a_run(self, name: str) -> None:
        """Leave a run as Ctrl-C leaves it, for `--resume` to go on with."""
        words = ["train", "photos/", "--finetune", "full", "--backbone", "mini", "--output", name.removesuffix(".run")]
        settings = ("finetune.epochs=2", "backbone.image_size=32", "finetune.checkpoint_seconds=0")
        shutil.rmtree(name, ignore_errors=True)

        @contextmanager
        def impatient(quiet: bool) -> Iterator[Progress]:
            def report(event: ProgressEvent) -> None:
                if event.stage == "fine-tuning" and event.done > 2:
                    raise KeyboardInterrupt

            yield report

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tlcore_cli.terminal.progress", impatient)
            words += [word for setting in settings for word in ("--set", setting)]
            done = CliRunner().invoke(tl, words, obj=Settings(), prog_name="tl")
        assert Path(name, "checkpoint").is_dir(), done.output

    def tl(self, words: list[str]) -> str:
        done = CliRunner().invoke(tl, words, obj=Settings(), prog_name="tl")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    def serve(self, words: list[str]) -> None:
        self.stop()
        command = [sys.executable, "-m", "tlcore_cli", *words]
        self.server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.server.stderr is not None
        events = (json.loads(line) for line in self.server.stderr if line.startswith("{"))
        self.address = next((event["url"] for event in events if event["event"] == "serving"), "")
        assert self.address, self.server.wait()

    def post(self, words: list[str]) -> None:
        """Do what curl would."""
        data = Path(words[words.index("--data-binary") + 1].removeprefix("@")).read_bytes()
        address = words[-1].replace("http://127.0.0.1:8000/", self.address)
        with urllib.request.urlopen(urllib.request.Request(address, data)) as answer:
            assert json.load(answer)["classes"]

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            assert self.server.wait(30) == 0
            assert self.server.stderr is not None
            self.server.stderr.close()
            self.server = None


@pytest.fixture
def shell(tmp_path: Path, models: Path, plain_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    stage = write_stage(tmp_path / "stage", models)
    monkeypatch.delenv("HF_HUB_OFFLINE")  # only the server below is asked, for archives
    (stage / "other.onnx").symlink_to(plain_onnx)
    monkeypatch.chdir(stage)
    Installer(tmp_path / "site", stage).take_over(monkeypatch)
    shell = Shell()
    with serve() as server:
        play_the_parts_of_others(monkeypatch, server)
        try:
            yield shell
        finally:
            shell.stop()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_runs(page: Path, shell: Shell) -> None:
    for line in commands(page):
        if line not in PASSED_OVER:
            shell.run(line)


def test_nothing_is_passed_over_without_need() -> None:
    documented = {line for page in PAGES for line in commands(page)}
    assert set(PASSED_OVER) <= documented, "passed over, but on no page"
    for line, reason in PASSED_OVER.items():
        program, file = line.split()[0], reason.removesuffix(" runs it")
        assert program in ("pip", "python3", "torchrun") or file != reason, "what tl itself can do is done"
        run = {"tl": 'run_tl("demo")', "torchrun": "torch.distributed.run"}.get(program, "")
        assert file == reason or run in (ROOT / file).read_text(encoding="utf-8"), f"{file} does not run {line}"
    assert all(any(line.startswith(start.split(" --")[0]) for line in documented) for start in SHORTER)


@pytest.mark.parametrize(
    "line", ["tl train nowhere/", "tl evaluate cats-and-dogs nowhere/", "tl trian photos/", "rm photos"]
)
def test_a_command_that_fails_is_found(line: str, shell: Shell) -> None:
    with pytest.raises((TlcoreError, AssertionError)):
        shell.run(line)


def fits(start: str, line: str) -> bool:
    return line.startswith(start) or (" --" in start and set(start.split()) <= set(line.split()))
