"""Which images an audit suggests to leave out, and why."""

from __future__ import annotations

from tlcore.audit.checks import blank
from tlcore.audit.subject import SPLIT_RANK, AuditSubject


def suggest_exclusions(subject: AuditSubject) -> dict[str, str]:
    """Return image name to reason.

    Unreadable and blank images; every image of a picture with contradicting labels; of a picture in several splits all but
    those in the highest-ranked split (test, then validation); of exact copies all but one.
    """
    reasons: dict[int, str] = {index: f"cannot be read: {reason}" for index, reason in subject.table.problems.items()}
    for index in blank(subject.table).tolist():
        reasons.setdefault(index, "blank")
    for members in subject.sets:
        conflict = subject.conflict(members)
        if conflict:
            for index in members:
                reasons.setdefault(index, conflict)
        kept = max(SPLIT_RANK[subject.split(index)] for index in members)
        for index in members:
            if SPLIT_RANK[subject.split(index)] < kept:
                reasons.setdefault(index, "the same picture is in a split that is measured")
    for members in subject.equal:
        best = max(members, key=lambda index: (SPLIT_RANK[subject.split(index)], -index))
        for index in members:
            if index != best:
                reasons.setdefault(index, f"copy of {subject.samples[best].name}")
    return {subject.samples[index].name: reason for index, reason in sorted(reasons.items())}
