"""Running the server as a process: sockets, signals, and leaving without losing a request."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

import uvicorn

from tlcore.errors import ServerError
from tlcore.machine.memory import keep_one_pool
from tlcore.server.app import Server, make_server
from tlcore.server.patience import PatientProtocol
from tlcore.server.settings import ServerSettings

_FINISH_SECONDS = 30


def serve(settings: ServerSettings, log: Callable[..., None]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP looks for changed model files at once.

    After SIGTERM requests are still answered for `ServerSettings.drain_seconds`, each with ``Connection: close`` and with
    readiness refused, so that clients and balancers go elsewhere; then the server stops listening and finishes what it has.

    Args:
        settings: how to serve.
        log: told of each event: its name and fields.

    Raises:
        ModelFileError: a model cannot be loaded.
        ServerError: the address cannot be had.
    """
    listener = listen(settings)
    keep_one_pool()
    try:
        server = make_server(settings, log)
        asyncio.run(_serve(server, listener, log))
    finally:
        listener.close()


async def _serve(server: Server, listener: socket.socket, log: Callable[..., None]) -> None:
    settings = server.settings
    web = uvicorn.Server(
        uvicorn.Config(
            server.app,
            http=PatientProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            log_level="critical",
            server_header=False,
            date_header=True,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_FINISH_SECONDS,
            ssl_certfile=str(settings.certificate) if settings.certificate else None,
            ssl_keyfile=str(settings.key) if settings.key else None,
        )
    )
    running = asyncio.create_task(web.serve(sockets=[listener]))
    while not web.started and not running.done():
        await asyncio.sleep(0.01)
    _take_signals(server, web, log)
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.certificate else "http"
    models = [f"{model.name}/{model.version}" for model in server.store.models]
    log("serving", url=f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/", models=models)
    await running
    log("stopped")


def _take_signals(server: Server, web: uvicorn.Server, log: Callable[..., None]) -> None:
    loop = asyncio.get_running_loop()

    def leave() -> None:
        if server.draining:
            return
        server.draining = True
        log("draining", seconds=server.settings.drain_seconds)
        loop.call_later(server.settings.drain_seconds, setattr, web, "should_exit", True)

    def reload() -> None:
        log("reload_asked")
        loop.run_in_executor(None, lambda: server.store.refresh(at_once=True))

    try:
        loop.add_signal_handler(signal.SIGTERM, leave)
        loop.add_signal_handler(signal.SIGINT, setattr, web, "should_exit", True)
        loop.add_signal_handler(signal.SIGHUP, reload)
    except (NotImplementedError, AttributeError):
        return  # Windows: uvicorn's own handlers stay, which stop listening at once and finish what runs


def listen(settings: ServerSettings) -> socket.socket:
    """Return a listening socket at the settings' address; raises `ServerError` where it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol stated, asyncio sends small answers at once (TCP_NODELAY); without, each waits 40 ms for the client.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise ServerError(
            f"cannot listen at {settings.host}:{settings.port}: {error.strerror or error}; choose another with --port"
        ) from error
    listener.setblocking(False)
    return listener
