"""How this tlcore was installed, and the commands that add packages to it or take them away.

uv keeps ``uv-receipt.toml`` in a tool's environment and pipx ``pipx_metadata.json``: packages added behind their back are
lost at their next upgrade, so theirs is the tool that is run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from tlcore.errors import TlcoreError

Manner = Literal["pip", "uv", "uv-tool", "uv-project", "pipx", "conda", "managed", "bare"]

_TOLD = {
    "pip": "a Python environment with pip",
    "uv": "a Python environment without pip; uv is at hand",
    "uv-tool": "a tool installed by uv",
    "uv-project": "the environment of a project that uv manages; its pyproject.toml says what is in it",
    "pipx": "a tool installed by pipx",
    "conda": "a conda environment",
    "managed": "the system's own Python, which the system manages (PEP 668)",
    "bare": "a Python environment without pip, and uv is not at hand",
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What tells how tlcore was installed.

    Attributes:
        prefix: the environment's directory; executable: its Python.
        virtual: whether it is a virtual environment.
        has_pip: whether pip can be imported in it.
        managed: whether the system says that it manages this Python (a file ``EXTERNALLY-MANAGED``).
        uv, pipx: paths of these programs, or None.
    """

    prefix: Path
    executable: str
    virtual: bool
    has_pip: bool
    managed: bool
    uv: str | None
    pipx: str | None

    @classmethod
    def here(cls) -> Facts:
        """Look at the running Python."""
        return cls(
            prefix=Path(sys.prefix),
            executable=sys.executable,
            virtual=sys.prefix != sys.base_prefix,
            has_pip=find_spec("pip") is not None,
            managed=Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file(),
            uv=shutil.which("uv"),
            pipx=shutil.which("pipx"),
        )


@dataclass(frozen=True)
class Installation:
    """How tlcore was installed.

    Attributes:
        manner: which kind of place it is in.
        facts: what told so.
    """

    manner: Manner
    facts: Facts

    @classmethod
    def of(cls, facts: Facts) -> Installation:
        """Tell from the facts."""
        prefix = facts.prefix
        if (prefix / "uv-receipt.toml").is_file():
            return cls("uv-tool", facts)
        if (prefix / "pipx_metadata.json").is_file():
            return cls("pipx", facts)
        if facts.virtual and (prefix.parent / "uv.lock").is_file():
            return cls("uv-project", facts)
        if (prefix / "conda-meta").is_dir():
            return cls("conda", facts)
        if not facts.virtual and facts.managed:
            return cls("managed", facts)
        if facts.has_pip:
            return cls("pip", facts)
        return cls("uv" if facts.uv else "bare", facts)

    @property
    def told(self) -> str:
        """What it is, in words."""
        return _TOLD[self.manner]

    def install(self, specs: Sequence[Spec], constraints: Path | None, *, upgrade: bool = False) -> list[str]:
        """Return the command that installs `specs`; where tl must not run it, raise `TlcoreError` with it."""
        texts = [text for spec in specs for text in spec.arguments]
        self._must_act("install", [spec.text for spec in specs])
        limits = ["--constraint", str(constraints)] if constraints is not None else []
        newest = ["--upgrade"] if upgrade else []
        if self.manner == "uv-tool":
            return self._uv_tool([*self._kept(), *specs], newest)
        if self.manner == "pipx":
            editable = ["--editable"] if any(spec.editable for spec in specs) else []
            return [self._pipx(), "inject", *(["--force"] if upgrade else []), *editable, self.facts.prefix.name,
                    *(spec.text for spec in specs)]  # fmt: skip
        return [*self._installer(), "install", *self._quiet(), *self._python(), *limits, *newest, *texts]

    def uninstall(self, names: Sequence[str]) -> list[str]:
        """Return the command that takes distributions away; raises `TlcoreError` as `install` does."""
        self._must_act("uninstall", names)
        if self.manner == "uv-tool":
            return self._uv_tool([spec for spec in self._kept() if spec.name not in names], [])
        if self.manner == "pipx":
            return [self._pipx(), "uninject", self.facts.prefix.name, *names]
        agreed = [] if self._uses_uv() else ["--yes"]
        return [*self._installer(), "uninstall", *agreed, *self._quiet(), *self._python(), *names]

    def dry_run(self, specs: Sequence[Spec], constraints: Path | None, *, upgrade: bool = False) -> list[str]:
        """Return the command that resolves without installing; `tlcore_cli.resolution.changes` reads what it prints."""
        self._must_act("install", [spec.text for spec in specs])
        texts = [text for spec in specs for text in spec.arguments]
        limits = ["--constraint", str(constraints)] if constraints is not None else []
        newest = ["--upgrade"] if upgrade else []
        if self.manner == "uv-tool" or self._uses_uv():
            return [self._uv(), "pip", "install", "--dry-run", "--python", self.facts.executable, *limits, *newest, *texts]
        report = ["--dry-run", "--quiet", "--report", "-"]
        return [self.facts.executable, "-m", "pip", "install", *self._quiet(), *report, *limits, *newest, *texts]

    @property
    def keeps_constraints(self) -> bool:
        """Whether its tool would write constraints down for good, so that they can only be tried in a dry run before."""
        return self.manner in ("uv-tool", "pipx")

    def _must_act(self, action: str, texts: Sequence[str]) -> None:
        quoted, inject = shlex.join(texts), "inject" if action == "install" else "uninject"
        by_hand = {
            "uv-project": f"uv {'add' if action == 'install' else 'remove'} {quoted}",
            "managed": f"pipx install 'tlcore[all]' && pipx {inject} tlcore {quoted}",
            "bare": f"{self.facts.executable} -m ensurepip && {self.facts.executable} -m pip {action} {quoted}",
        }
        if self.manner in by_hand:
            raise TlcoreError(f"tlcore is in {self.told}; tl changes nothing there, run: {by_hand[self.manner]}")

    def _uses_uv(self) -> bool:
        return self.manner == "uv" or (self.manner == "conda" and not self.facts.has_pip)

    def _installer(self) -> list[str]:
        return [self._uv(), "pip"] if self._uses_uv() else [self.facts.executable, "-m", "pip"]

    def _python(self) -> list[str]:
        return ["--python", self.facts.executable] if self._uses_uv() else []

    def _quiet(self) -> list[str]:
        return [] if self._uses_uv() else ["--disable-pip-version-check"]

    def _uv(self) -> str:
        if self.facts.uv is None:
            raise TlcoreError(f"tlcore is in {self.told}, but the program uv is not on the PATH; put it there and try again")
        return self.facts.uv

    def _pipx(self) -> str:
        if self.facts.pipx is None:
            raise TlcoreError(
                f"tlcore is in {self.told}, but the program pipx is not on the PATH; put it there and try again"
            )
        return self.facts.pipx

    def _uv_tool(self, specs: Sequence[Spec], newest: Sequence[str]) -> list[str]:
        """Install the tool again with everything in it: what uv's receipt does not name is lost at its next upgrade."""
        latest = {spec.name or spec.text: spec for spec in specs}
        with_ = [text for spec in latest.values() for text in (f"--with{'-editable' if spec.editable else ''}", spec.text)]
        main = self._receipt("tlcore")
        editable = ["--editable"] if main and main[0].editable else []
        return [self._uv(), "tool", "install", *newest, *with_, *editable, main[0].text if main else "tlcore"]

    def _kept(self) -> list[Spec]:
        """What uv's receipt names beside tlcore."""
        return [spec for spec in self._receipt(None) if spec.name != "tlcore"]

    def _receipt(self, only: str | None) -> list[Spec]:
        file = self.facts.prefix / "uv-receipt.toml"
        try:
            listed = tomllib.loads(file.read_text(encoding="utf-8"))["tool"]["requirements"]
        except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
            raise TlcoreError(f"{file}: not a receipt of uv that can be read: {error}; run 'uv tool list'") from error
        return [_from_receipt(entry) for entry in listed if only in (None, entry.get("name"))]


@dataclass(frozen=True)
class Spec:
    """Something to install.

    Attributes:
        text: a name, a name with versions, a wheel, a folder or an address.
        editable: whether a folder is used in place.
        name: the distribution's name where it is known from the text.
    """

    text: str
    editable: bool = False
    name: str | None = None

    @property
    def arguments(self) -> list[str]:
        """The arguments that pip and uv pip take."""
        return ["--editable", self.text] if self.editable else [self.text]

    @classmethod
    def parse(cls, text: str, editable: bool = False) -> Spec:
        """Read what a person gave; paths to what exists are made absolute, since tools run elsewhere.

        Raises:
            TlcoreError: it looks like a path and nothing is there, or an editable one is no folder.
        """
        path = Path(text).expanduser()
        looks_like_path = text.endswith(".whl") or text.startswith((".", "/", "~")) or os.sep in text
        if "://" not in text and "@" not in text and (looks_like_path or path.is_dir()):
            if not path.exists():
                raise TlcoreError(f"{path}: there is no such wheel or folder")
            if editable and not path.is_dir():
                raise TlcoreError(f"{path}: only a folder can be installed editable")
            return cls(str(path.resolve()), editable, _name_of(path))
        if editable:
            raise TlcoreError(f"{text}: only a folder can be installed editable")
        return cls(text, False, _name(text))


def _name_of(path: Path) -> str | None:
    """Return the distribution's name of a wheel or of a folder with a pyproject.toml."""
    if path.suffix == ".whl":
        return path.name.split("-")[0].lower().replace("_", "-")
    try:
        project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return None
    return str(project).lower().replace("_", "-")


def _name(text: str) -> str:
    name = text.partition("@")[0]
    for mark in "[<>=!~; ":
        name = name.partition(mark)[0]
    return name.strip().lower().replace("_", "-")


def _from_receipt(entry: dict[str, Any]) -> Spec:
    """Turn a requirement of uv's receipt back into what was asked for."""
    name = str(entry["name"])
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    for key in ("editable", "directory", "path"):
        if key in entry:
            return Spec(str(entry[key]) + extras, key == "editable", name)
    if "git" in entry:
        return Spec(f"{name}{extras} @ git+{entry['git']}", False, name)
    if "url" in entry:
        return Spec(f"{name}{extras} @ {entry['url']}", False, name)
    return Spec(f"{name}{extras}{entry.get('specifier', '')}", False, name)
