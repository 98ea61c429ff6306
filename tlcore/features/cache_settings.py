"""What people may set of the cache: how large it grows, and in how many bits features are stored."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import cast

from tlcore.config import read_setting
from tlcore.errors import OptionError
from tlcore.features.feature_cache import Storage

LIMIT = "cache.limit"
STORAGE = "cache.storage"
VARIABLES = {LIMIT: "TLCORE_CACHE_LIMIT", STORAGE: "TLCORE_CACHE_STORAGE"}
DEFAULTS = {LIMIT: "20 GB", STORAGE: "float32"}

_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """How the cache is kept.

    Attributes:
        limit: bytes of features and graphs beyond which what was not used for longest goes.
        storage: of features: ``"float32"`` or ``"float16"``.
    """

    limit: int
    storage: Storage


def cache_settings() -> CacheSettings:
    """Return what the environment says, else the configuration file, else what is built in.

    Raises:
        OptionError: one of them says what cannot be.
    """
    limit, storage = (setting(name)[0] for name in (LIMIT, STORAGE))
    return CacheSettings(limit=parse_size(limit), storage=_storage(storage))


def setting(name: str) -> tuple[str, str]:
    """Return the text a setting has, and where it comes from."""
    variable = VARIABLES[name]
    if os.environ.get(variable):
        return os.environ[variable], f"environment ({variable})"
    stored = read_setting(name)
    return (str(stored), "file") if stored is not None else (DEFAULTS[name], "built in")


def check_setting(name: str, value: str) -> None:
    """Raise `OptionError` unless a setting can have this value."""
    if name == LIMIT:
        parse_size(value)
    else:
        _storage(value)


def parse_size(text: str) -> int:
    """Return how many bytes a text such as ``"20 GB"`` means; raises `OptionError` for anything else.

    >>> parse_size("1.5 GB")
    1500000000
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?b?)\s*", text.lower())
    unit = found[2] if found else ""
    unit = unit + "b" if unit in ("k", "m", "g", "t") else "" if unit == "b" else unit
    if found is None:
        raise OptionError(f"{LIMIT} is a size such as '20 GB' or '500 MB', got {text!r}")
    return int(float(found[1]) * _UNITS[unit])


def _storage(text: str) -> Storage:
    if text not in ("float32", "float16"):
        raise OptionError(f"{STORAGE} is 'float32' or 'float16', got {text!r}")
    return cast(Storage, text)
