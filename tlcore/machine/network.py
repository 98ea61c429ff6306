"""Whether a server on the network can be reached, found out in a moment."""

from __future__ import annotations

import os
import socket
from threading import Thread
from urllib.parse import urlsplit

PATIENCE = 3.0
"""Seconds after which a server that has not answered counts as out of reach."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def can_connect(address: str, *, patience: float = PATIENCE) -> bool:
    """Tell whether a web address accepts connections, where its own client would go on trying for long.

    True where a proxy is set, which alone can say.

    Args:
        address: beginning with ``http://`` or ``https://``.
        patience: seconds to wait, for its name to be looked up and for a connection.
    """
    if any(os.environ.get(name) for name in _PROXIES):
        return True
    parts = urlsplit(address)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    connected: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout=patience).close()
        except OSError:
            return
        connected.append(True)

    # A thread, since looking up a name has no time limit of its own.
    attempt = Thread(target=connect, name="tlcore-connect", daemon=True)
    attempt.start()
    attempt.join(patience)
    return bool(connected)
