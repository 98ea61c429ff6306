"""What an audit found: records for people, programs and the HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["problem", "notice"]

MAX_NOTICES = 1000
"""Of a notice about single images or classes at most this many entries are listed, and made; all are counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One image, or one set of images that belong together, of a finding.

    Attributes:
        images: their names; empty where the entry is about a class.
        note: what is the matter, without the names.
    """

    images: tuple[str, ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """All that one check found.

    Attributes:
        kind: ``unreadable``, ``label-conflict``, ``leak``, ``group-leak``, ``exact-duplicates``, ``near-duplicates``,
            ``wrong-extension``, ``blank``, ``extreme-size``, ``imbalance``, ``few-images`` or ``left-out``.
        severity: ``"problem"`` costs images or makes measured accuracy wrong; ``"notice"`` is worth knowing.
        summary: one line for people.
        advice: what to do about it, one line.
        count: how many entries there are.
        entries: each of them; of a notice about single images or classes at most `MAX_NOTICES`.
    """

    kind: str
    severity: Severity
    summary: str
    advice: str
    count: int
    entries: tuple[Entry, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready values."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "summary": self.summary,
            "advice": self.advice,
            "count": self.count,
            "entries": [{"images": list(entry.images), "note": entry.note} for entry in self.entries],
        }


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What an audit says of a dataset.

    Attributes:
        dataset: its name.
        counts: split name to class name to number of images, unreadable ones included.
        findings: problems first; empty where nothing was found.
        exclude: image name to reason, for what to leave out: a suggestion, obeyed only where somebody passes it on.
        duplicate_sets: names that show the same picture, exactly or nearly, set by set; a split keeps each set together.
        seconds: wall time.
        cached: how many images needed no decoding because an earlier audit had seen the same bytes.
    """

    dataset: str
    counts: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    exclude: Mapping[str, str]
    duplicate_sets: tuple[tuple[str, ...], ...]
    seconds: float
    cached: int

    @property
    def images(self) -> int:
        """How many images were looked at."""
        return sum(count for classes in self.counts.values() for count in classes.values())

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that cost images or make measured accuracy wrong."""
        return tuple(finding for finding in self.findings if finding.severity == "problem")

    def finding(self, kind: str) -> Finding | None:
        """Return the finding of a kind, or None."""
        return next((finding for finding in self.findings if finding.kind == kind), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "dataset": self.dataset,
            "images": self.images,
            "counts": {split: dict(classes) for split, classes in self.counts.items()},
            "findings": [finding.to_dict() for finding in self.findings],
            "exclude": dict(self.exclude),
            "duplicate_sets": [list(names) for names in self.duplicate_sets],
            "seconds": self.seconds,
            "cached": self.cached,
        }
