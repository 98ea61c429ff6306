"""Saying that something is to go, and what takes its place, before it goes."""

from __future__ import annotations

import warnings


class TlcoreDeprecationWarning(FutureWarning):
    """Something a person uses by name, an option or a plugin's object, is to go.

    A `FutureWarning`, which Python shows by default: whoever types a name is not whoever wrote it.
    """


def warn_deprecated(what: str, advice: str) -> None:
    """Warn that `what` is to go; `advice` says what to use in its place and when it goes.

    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_deprecated("head 'ridge'", "use 'linear'; gone in 0.4")
    >>> str(caught[0].message)
    "head 'ridge' is deprecated: use 'linear'; gone in 0.4"
    """
    warnings.warn(f"{what} is deprecated: {advice}", TlcoreDeprecationWarning, stacklevel=3)
