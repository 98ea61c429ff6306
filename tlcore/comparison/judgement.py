"""What a backbone and a head are worth on some images, and where that is remembered, so that no work is done twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from tlcore.errors import TlcoreError
from tlcore.machine.atomic import write_file

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What cross-validation said.

    Attributes:
        correct: whether each image was named rightly by a fit that had not seen it, (images,).
        log_loss: mean negative natural logarithm of the true class's probability.
        seconds: it took.
    """

    correct: Bool[np.ndarray, " images"]
    log_loss: float
    seconds: float


def judgement_key(parts: Sequence[str]) -> str:
    """Return the name under which a judgement is remembered: a digest of all it depends on, 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps([FORMAT, *parts]).encode()).hexdigest()[:32]


class JudgementStore:
    """Judgements on disk, one small file each. Written at once or not at all; a damaged one counts as absent.

    Args:
        directory: the cache directory; None remembers nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory / "judgements" if directory is not None else None

    def read(self, key: str) -> Judgement | None:
        """Return what is remembered under a key, or None."""
        if self._directory is None:
            return None
        with suppress(OSError, ValueError, KeyError, TypeError):
            document: dict[str, Any] = json.loads((self._directory / f"{key}.json").read_text(encoding="utf-8"))
            if document["digest"] != _digest(document):
                return None
            return Judgement(
                correct=np.array([letter == "1" for letter in document["correct"]], bool),
                log_loss=float(document["log_loss"]),
                seconds=float(document["seconds"]),
            )
        return None

    def write(self, key: str, judgement: Judgement) -> None:
        """Remember a judgement; raises `TlcoreError` where the disk is full or may not be written."""
        if self._directory is None:
            return
        document: dict[str, Any] = {
            "correct": "".join("1" if right else "0" for right in judgement.correct),
            "log_loss": judgement.log_loss,
            "seconds": judgement.seconds,
        }
        file = self._directory / f"{key}.json"
        try:
            write_file(file, json.dumps({**document, "digest": _digest(document)}).encode())
        except OSError as error:
            raise TlcoreError(f"{file}: what was measured cannot be kept: {error.strerror or error}") from error


def _digest(document: dict[str, Any]) -> str:
    text = f"{document['correct']} {document['log_loss']!r} {document['seconds']!r}"
    return hashlib.sha256(text.encode()).hexdigest()
