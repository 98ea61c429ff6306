"""Connections that never finish asking are closed: uvicorn itself waits for a request's headers without end."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 15.0
"""A connection without a request under way is looked at so often, and closed the second time nothing has come of it."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, for connections that neither send a whole request nor wait for an answer."""

    _seen: Any = None
    _idle = False

    def connection_made(self, transport: Any) -> None:
        """Begin looking after a new connection."""
        super().connection_made(transport)
        self.loop.call_later(HEADER_SECONDS, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        working = self.cycle is not None and not self.cycle.response_complete
        if not working and self._idle and self._seen is self.cycle:
            self.transport.close()
            return
        self._idle, self._seen = not working, self.cycle
        self.loop.call_later(HEADER_SECONDS, self._look)
