"""Where tlcore keeps things: its cache and its configuration file."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """Return the cache directory: ``$TLCORE_HOME/cache``, or the platform's convention. It is not created here."""
    home = os.environ.get("TLCORE_HOME")
    if home:
        return Path(home).expanduser() / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir("tlcore", appauthor=False))


def datasets_directory() -> Path:
    """Return where downloaded datasets are kept, one folder each. It is not created here."""
    return cache_directory() / "datasets"


def config_file() -> Path:
    """Return the configuration file: ``$TLCORE_HOME/config.toml``, or the platform's convention. It may not exist."""
    home = os.environ.get("TLCORE_HOME")
    if home:
        return Path(home).expanduser() / "config.toml"
    import platformdirs

    return Path(platformdirs.user_config_dir("tlcore", appauthor=False)) / "config.toml"
