"""Installing and removing plugins with the tool that tlcore was installed with."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlcore.errors import TlcoreError
from tlcore_cli.installation import Facts, Installation, Spec
from tlcore_cli.resolution import Change, changes

RECEIPT = """
[tool]
requirements = [
    { name = "tlcore", extras = ["train"], specifier = ">=0.1" },
    { name = "tlcore-hog", specifier = "==1.2" },
    { name = "tlcore-edges", editable = "/code/edges" },
    { name = "tlcore-far", git = "https://example.org/far?rev=v1" },
]
"""

HEAD = """
from tlcore import HeadSpec, hookimpl
TLCORE_API_VERSION = 1
@hookimpl
def tlcore_heads():
    return [HeadSpec(name="{name}", summary="a head", factory="{name}:create", licence="MIT")]
"""


def wheel(
    folder: Path, name: str, text: str, *, version: str = "1.0", requires: tuple[str, ...] = (), python: str = "py3"
) -> Path:
    """Write a wheel with one module and a plugin entry point."""
    module = name.replace("-", "_")
    information = f"{module}-{version}.dist-info"
    contents = {
        f"{module}.py": text,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {requirement}\n" for requirement in requires),
        f"{information}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {python}-none-any\n",
        f"{information}/entry_points.txt": f"[tlcore]\n{name} = {module}\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data.encode()).digest()).decode().rstrip('=')},{len(data)}\n"
        for path, data in contents.items()
    )
    file = folder / f"{module}-{version}-{python}-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in {**contents, f"{information}/RECORD": f"{record}{information}/RECORD,,\n"}.items():
            archive.writestr(path, data)
    return file


def facts(prefix: Path, **values: Any) -> Facts:
    known = {"executable": "python", "virtual": True, "has_pip": True, "managed": False, "uv": "uv", "pipx": "pipx"}
    return Facts(prefix=prefix, **{**known, **values})


def test_manner_of_installation_is_told_from_what_lies_in_the_environment(tmp_path: Path) -> None:
    def manner(file: str | None = None, **values: Any) -> str:
        prefix = tmp_path / (file or "plain").replace("/", "-") / ".venv"
        prefix.mkdir(parents=True, exist_ok=True)
        if file is not None:
            path = prefix / file
            path.mkdir() if file == "conda-meta" else path.write_text("")
        return Installation.of(facts(prefix, **values)).manner

    assert manner() == "pip"
    assert manner("uv-receipt.toml", has_pip=False) == "uv-tool"
    assert manner("pipx_metadata.json") == "pipx"
    assert manner("../uv.lock", has_pip=False) == "uv-project"
    assert manner("conda-meta", virtual=False) == "conda"
    assert manner(virtual=False, managed=True) == "managed"
    assert manner(has_pip=False) == "uv"
    assert manner(has_pip=False, uv=None) == "bare"


@pytest.mark.parametrize(
    ("manner", "install", "uninstall"),
    [
        ("pip", "python -m pip install --disable-pip-version-check --constraint c.txt tlcore-x",
         "python -m pip uninstall --yes --disable-pip-version-check tlcore-x"),
        ("conda", "python -m pip install --disable-pip-version-check --constraint c.txt tlcore-x",
         "python -m pip uninstall --yes --disable-pip-version-check tlcore-x"),
        ("uv", "uv pip install --python python --constraint c.txt tlcore-x", "uv pip uninstall --python python tlcore-x"),
        ("pipx", "pipx inject {name} tlcore-x", "pipx uninject {name} tlcore-x"),
        ("uv-tool",
         "uv tool install --with tlcore-hog==1.2 --with-editable /code/edges "
         "--with tlcore-far @ git+https://example.org/far?rev=v1 --with tlcore-x tlcore[train]>=0.1",
         "uv tool install --with tlcore-hog==1.2 --with-editable /code/edges "
         "--with tlcore-far @ git+https://example.org/far?rev=v1 tlcore[train]>=0.1"),
    ],
)  # fmt: skip
def test_the_right_tool_is_run(manner: Any, install: str, uninstall: str, tmp_path: Path) -> None:
    (tmp_path / "uv-receipt.toml").write_text(RECEIPT)
    installation = Installation(manner, facts(tmp_path))
    command = installation.install([Spec.parse("tlcore-x")], Path("c.txt"))
    assert " ".join(command) == install.format(name=tmp_path.name)
    assert " ".join(installation.uninstall(["tlcore-x"])) == uninstall.format(name=tmp_path.name)


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("uv-project", "tl changes nothing there, run: uv add 'tlcore-x>=1'"),
        ("managed", r"\(PEP 668\); tl changes nothing there, run: pipx install 'tlcore\[all\]' && pipx inject tlcore"),
        ("bare", "tl changes nothing there, run: python -m ensurepip && python -m pip install 'tlcore-x>=1'"),
    ],
)
def test_where_tl_must_not_act_it_prints_the_command(manner: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(TlcoreError, match=told):
        Installation(manner, facts(tmp_path)).install([Spec.parse("tlcore-x>=1")], None)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(TlcoreError, match="tlcore is in a tool installed by pipx, but the program pipx is not on the PATH"):
        Installation("pipx", facts(tmp_path, pipx=None)).install([Spec.parse("tlcore-x")], None)


def test_paths_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TlcoreError, match=r"gone\.whl: there is no such wheel or folder"):
        Spec.parse(str(tmp_path / "gone.whl"))
    with pytest.raises(TlcoreError, match="tlcore-x: only a folder can be installed editable"):
        Spec.parse("tlcore-x", editable=True)


def test_what_uv_would_change_is_read() -> None:
    printed = "Resolved 2 packages in 5ms\nWould uninstall 1 package\n - tlcore-a==1\n + tlcore-a==2\n + skimage==0.26\n"
    assert changes(printed) == [Change("skimage", None, "0.26"), Change("tlcore-a", "1", "2")]


@pytest.fixture(scope="module")
def tl(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run tl in an environment of its own that borrows this one's packages."""
    pytest.importorskip("pip", reason="the environment borrows pip from this one")
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    borrowed = [entry for entry in sys.path if entry and Path(entry).is_dir() and "python3" + "/lib-dynload" not in entry]
    (site / "borrowed.pth").write_text("\n".join(entry for entry in borrowed if "site-packages" in entry or _ours(entry)))
    environment = {**os.environ, "TLCORE_HOME": str(place / "home"), "PIP_NO_INDEX": "1", "PIP_NO_COMPILE": "1"}
    environment.pop("PYTHONPATH", None)
    environment["PIP_FIND_LINKS"] = str(place / "shop")
    (place / "shop").mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-m", "tlcore_cli", *arguments]
        return subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)

    run.shop = place / "shop"  # type: ignore[attr-defined]
    return run


def _ours(entry: str) -> bool:
    return any(Path(entry, name).is_dir() for name in ("tlcore", "tlcore_cli", "tlcore_heads"))


@pytest.mark.timeout(120)
def test_a_plugin_is_installed_frozen_removed_and_restored(tl: Any, tmp_path: Path) -> None:
    one = wheel(tmp_path, "tlcore-one", HEAD.format(name="one"))
    dry = tl("plugins", "install", "--dry-run", str(one))
    assert (dry.returncode, dry.stdout) == (0, "tlcore-one - -> 1.0\n"), dry.stderr
    installed = tl("plugins", "install", str(one))
    assert (installed.returncode, installed.stdout) == (0, "tlcore-one 1.0: offers head one\n"), installed.stderr
    frozen = tl("plugins", "freeze").stdout
    assert frozen == f"tlcore-one @ {one.as_uri()}\n"
    removed = tl("plugins", "uninstall", "tlcore-one")
    assert (removed.returncode, removed.stderr) == (0, "tlcore-one: uninstalled\n")
    assert tl("plugins", "freeze").stdout == ""
    (tmp_path / "plugins.txt").write_text(f"# mine\n{frozen}", encoding="utf-8")
    restored = tl("plugins", "restore", str(tmp_path / "plugins.txt"))
    assert (restored.returncode, restored.stdout) == (0, "tlcore-one 1.0: offers head one\n"), restored.stderr
    again = tl("plugins", "restore", str(tmp_path / "plugins.txt"))
    assert again.stderr == f"all 1 plugins of {tmp_path / 'plugins.txt'} are installed as listed\n"


@pytest.mark.timeout(180)
def test_plugins_are_upgraded_to_the_newest_that_fits(tl: Any, tmp_path: Path) -> None:
    wheel(tl.shop, "tlcore-two", HEAD.format(name="two"))
    assert tl("plugins", "install", "tlcore-two").stdout == "tlcore-two 1.0: offers head two\n"
    unchanged = tl("plugins", "upgrade", "--dry-run", "tlcore-two")
    assert (unchanged.returncode, unchanged.stdout) == (0, "nothing would change\n"), unchanged.stderr
    wheel(tl.shop, "tlcore-two", HEAD.format(name="uno"), version="1.1")
    wheel(tl.shop, "tlcore-two", HEAD.format(name="duo"), version="2.0", requires=("tlcore>=99",))
    assert tl("plugins", "upgrade", "--dry-run", "tlcore-two").stdout == "tlcore-two 1.0 -> 1.1\n"
    upgraded = tl("plugins", "upgrade")
    assert (upgraded.returncode, upgraded.stdout) == (0, "tlcore-two 1.1: offers head uno\n"), upgraded.stderr
    assert "tlcore-two==1.1" in tl("plugins", "freeze").stdout.splitlines()
    unknown = tl("plugins", "upgrade", "tlcore-tow")
    assert (
        unknown.stderr
        == "tl: no plugin 'tlcore-tow' is installed; did you mean 'tlcore-two'? 'tl plugins list' shows them\n"
    )
    assert tl("plugins", "uninstall", "tlcore-two").returncode == 0


@pytest.mark.timeout(120)
def test_a_broken_plugin_is_told_at_once_and_goes_without_being_imported(tl: Any, tmp_path: Path) -> None:
    installed = tl("plugins", "install", str(wheel(tmp_path, "tlcore-ill", "import sys; sys.exit('no')")))
    assert installed.returncode == 1
    assert installed.stdout.splitlines() == [
        "tlcore-ill 1.0: offers nothing",
        "tlcore-ill 1.0: broken: import failed: SystemExit: no",
    ]
    assert tl("plugins", "uninstall", "tlcore-ill").returncode == 0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"requires": ("tlcore>=99",)}, "tlcore-odd 1.0 depends on tlcore>=99"),
        ({"requires": ("torch==1.0",)}, "tlcore-odd 1.0 depends on torch==1.0"),
        ({"python": "cp27"}, "is not a supported wheel on this platform"),
    ],
    ids=["another core", "another torch", "another Python"],
)
def test_a_plugin_that_does_not_fit_is_refused_and_nothing_changes(tl: Any, tmp_path: Path, values: Any, told: str) -> None:
    pytest.importorskip("torch", reason="torch is held at its version where it is installed")
    refused = tl("plugins", "install", str(wheel(tmp_path, "tlcore-odd", "", **values)))
    assert refused.returncode == 2
    assert refused.stderr.startswith("tl: pip refused: ")
    assert told in refused.stderr
    assert refused.stderr.endswith("nothing was changed\n")
    assert len(refused.stderr.splitlines()) == 1
    assert "tlcore-odd" not in tl("plugins", "freeze").stdout


def test_what_is_no_plugin_is_not_removed(tl: Any) -> None:
    refused = tl("plugins", "uninstall", "numpy")
    assert refused.returncode == 2
    assert refused.stderr == "tl: no plugin 'numpy' is installed; 'tl plugins list' shows them\n"
    assert "'tl plugins disable NAME' switches one off" in tl("plugins", "uninstall", "tlcore").stderr


def test_plugins_lost_by_an_upgrade_are_told_once(tl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tlcore_cli.plugin_record import lost_plugins, record_file

    monkeypatch.setenv("TLCORE_HOME", str(tmp_path))
    record = {sys.prefix: {"tlcore": "0.0.1", "plugins": {"tlcore-gone": "tlcore-gone==1.0"}}}
    record_file().write_text(json.dumps(record), encoding="utf-8")
    assert lost_plugins() == {"tlcore-gone": "tlcore-gone==1.0"}
    assert lost_plugins() == {}
