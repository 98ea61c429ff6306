"""What the server says to a request it does not fulfil."""

from __future__ import annotations

from tlcore.errors import TlcoreError


class Refusal(TlcoreError):
    """A request that is not fulfilled.

    Args:
        status: the HTTP status.
        message: one line for the client.
        retry_after: seconds after which it may try again, or None.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
