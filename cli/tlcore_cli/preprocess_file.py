"""``--preprocess``: how images become the input of an ONNX file that does not say it itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlcore.preprocess import Preprocess


def read_preprocess(file: Path | None) -> Preprocess | None:
    """Read the JSON file with a preprocess record that an option names; None where it is not given."""
    from tlcore.errors import TlcoreError
    from tlcore.preprocess import Preprocess

    if file is None:
        return None
    try:
        return Preprocess.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise TlcoreError(f"{file}: is no JSON file with a preprocess record: {error}") from error
