"""Defaults from the file, the environment and flags, in that order of strength."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlcore.errors import OptionError, TlcoreError
from tlcore_cli.defaults import check_default, read_defaults, resolved
from tlcore_cli.train import train

Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_default_is_set_used_and_taken_out(home: Path, run_tl: Run) -> None:
    (home / "config.toml").write_text('# mine\n[plugins]\ndisabled = ["timm"]\n', encoding="utf-8")
    assert run_tl("config", "set", "train.head", "no-such-head").returncode == 0
    assert (home / "config.toml").read_text(encoding="utf-8").startswith('# mine\n[plugins]\ndisabled = ["timm"]\n')
    refused = run_tl("train", "digits")
    assert refused.returncode == 2
    assert "unknown head 'no-such-head'" in refused.stderr
    flag = run_tl("train", "digits", "--head", "other-head")
    assert "unknown head 'other-head'" in flag.stderr
    shown = {entry["option"]: entry for entry in json.loads(run_tl("config", "show", "train", "--json").stdout)}
    assert shown["head"] == {"option": "head", "value": "no-such-head", "source": "file"}
    assert run_tl("config", "unset", "train.head").returncode == 0
    assert read_defaults() == {"train": {}}


def test_sources_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TL_TRAIN_SEED", "3")
    found = {name: (value, source) for name, value, source in resolved(train, "train", {"test": 0.3})}
    assert found["seed"] == (3, "environment (TL_TRAIN_SEED)")
    assert found["test"] == (0.3, "file")
    assert found["validation"] == (0.15, "built in")


def test_the_environment_beats_the_file_and_a_flag_beats_both(home: Path, run_tl: Run) -> None:
    (home / "config.toml").write_text('[defaults.train]\nhead = "of-the-file"\n', encoding="utf-8")
    environment = {"TL_TRAIN_HEAD": "of-the-environment"}
    assert "'of-the-file'" in run_tl("train", "digits").stderr
    assert "'of-the-environment'" in run_tl("train", "digits", env=environment).stderr
    assert "'of-the-flag'" in run_tl("train", "digits", "--head", "of-the-flag", env=environment).stderr


def test_the_overview_says_where_things_are(home: Path, run_tl: Run) -> None:
    (home / "config.toml").write_text("[defaults.train]\nseed = 4\n", encoding="utf-8")
    listed = json.loads(run_tl("config", "--json", env={"TL_TRAIN_TEST": "0.3"}).stdout)
    assert {"name": "train.seed", "value": "4", "source": "file"} in listed
    assert {"name": "TL_TRAIN_TEST", "value": "0.3", "source": "environment"} in listed
    assert listed[0] == {
        "name": "configuration file", "value": str(home / "config.toml"), "source": "environment (TLCORE_HOME)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("sed", "3", "'tl train' has no option 'sed' that can have a default; did you mean 'seed'"),
        ("seed", "many", "train.seed: Invalid value"),
    ],
)
def test_what_a_command_does_not_take_is_refused(name: str, value: str, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        check_default(train, "train", name, value)


def test_a_file_that_cannot_be_read_stops_no_recovery(home: Path, run_tl: Run) -> None:
    (home / "config.toml").write_text("[defaults", encoding="utf-8")
    with pytest.raises(TlcoreError, match="not a readable TOML file"):
        read_defaults()
    assert run_tl("--version").returncode == 0
    refused = run_tl("train", "digits")
    assert refused.returncode == 2
    assert "not a readable TOML file" in refused.stderr
    (home / "config.toml").write_text("defaults = 3", encoding="utf-8")
    with pytest.raises(TlcoreError, match=r"\[defaults\.COMMAND\] must be tables of option = value"):
        read_defaults()
