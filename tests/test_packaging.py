"""The house rules that tools hold: what is installed, who imports whom."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages_here() -> list[str]:
    folders = [ROOT / "tlcore", *sorted((ROOT / "plugins").iterdir()), *sorted((ROOT / "cli").iterdir())]
    return sorted(str(path.relative_to(ROOT).as_posix()) for path in folders if (path / "__init__.py").is_file())


def test_the_wheel_lists_every_package() -> None:
    assert sorted(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages_here()


def test_every_built_in_plugin_has_an_entry_point_and_no_other_way_in() -> None:
    plugins = {path.rpartition("/")[2] for path in packages_here() if path.startswith("plugins/")}
    assert set(PROJECT["project"]["entry-points"]["tlcore"].values()) == plugins


def test_import_rules_cover_every_package() -> None:
    names = {path.rpartition("/")[2] for path in packages_here()}
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == names
    assert set(PROJECT["tool"]["mypy"]["packages"]) == names


def test_import_rules_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_hosts_of_package_indexes_and_machine_paths_stand_in_no_file() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.splitlines() or [str(path.relative_to(ROOT)) for path in (ROOT / "tlcore").rglob("*.py")]
    forbidden = ["py" + "pi.org", "python" + "hosted.org", "/" + "work/", "/" + "root/"]
    for name in names:
        if (ROOT / name).suffix in {".py", ".toml", ".md", ".yml", ""} and (ROOT / name).is_file():
            text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
            assert not [word for word in forbidden if word in text], name
