from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tlcore_cli.main import main
from tlcore_cli.printable import printable


def test_control_characters_are_written_out_and_others_kept() -> None:
    assert printable("кот 🐶\x1b[2J\n\t\x07\x9b") == r"кот 🐶\x1b[2J\n\t\x07\x9b"


def test_no_name_of_a_file_or_class_commands_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("red\x1b[31m", "line\nfeed"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.effect_noise((32, 32), 40 + number).save(tmp_path / name / f"{number}\x1b]0;title\x07.png")
        (tmp_path / name / "empty\x1b[2J.png").touch()
    for arguments in (["data", "info", str(tmp_path)], ["data", "check", str(tmp_path)], ["data", "info", "none\x1b[31m"]):
        with pytest.raises(SystemExit):
            main(arguments)
        told = "".join(capsys.readouterr())
        assert "\x1b" not in told and "\x07" not in told
        assert r"\x1b" in told
