"""Looking at a dataset before anything is split: what cannot be read, what is there twice, what leaks.

Nothing of a user's is ever rewritten, moved or deleted; an audit reports and suggests.
"""

from __future__ import annotations

from tlcore.audit.duplicates import near_pairs
from tlcore.audit.findings import AuditReport, Finding
from tlcore.audit.inspection import Inspection, inspect_image
from tlcore.audit.inspection_cache import InspectionCache
from tlcore.audit.page import audit_page
from tlcore.audit.run import audit_dataset

__all__ = [
    "AuditReport",
    "Finding",
    "Inspection",
    "InspectionCache",
    "audit_dataset",
    "audit_page",
    "inspect_image",
    "near_pairs",
]
