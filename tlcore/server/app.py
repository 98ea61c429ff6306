"""The server as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tlcore.machine.cores import available_cores
from tlcore.machine.memory import give_back
from tlcore.server.engine import Engine
from tlcore.server.measures import Measures
from tlcore.server.models import ModelStore, ServedModel
from tlcore.server.oip import EXTENSIONS, HEADER_LENGTH, model_metadata
from tlcore.server.openapi import document
from tlcore.server.porter import Porter
from tlcore.server.refusal import Refusal
from tlcore.server.requests import read_body
from tlcore.server.service import Asked, Service
from tlcore.server.settings import ServerSettings
from tlcore.server.uploads import UploadLimits
from tlcore.version import __version__

_TIDY_SECONDS = 10
"""At least so long between two times that memory is given back in pauses."""

_PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {"": "text/html", "page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Server:
    """A server's parts, and the application made of them.

    Args:
        settings: how to serve.
        log: told of each event: its name and fields.

    Raises:
        ModelFileError: a model cannot be loaded.
    """

    def __init__(self, settings: ServerSettings, log: Callable[..., None]) -> None:
        self.settings = settings
        self.draining = False
        self._log = log
        workers = settings.workers if settings.workers is not None else available_cores()
        self.measures = Measures(lambda: self.engine.pending)
        observe = self.measures.batches.observe
        self.engine = Engine(workers, settings.queue, settings.deadline, observe)
        self.store = ModelStore(settings.models, settings.preprocess, settings.batching, self._report, observe)
        self.store.load()
        limits = UploadLimits(settings.image_pixels, settings.formats)
        self._service = Service(self.engine, self.measures, limits, settings.images)
        self.app: ASGIApp = Porter(self._starlette(), self, log)

    def _starlette(self) -> Starlette:
        model = "/v2/models/{model}"
        versioned = model + "/versions/{version}"
        routes = [
            Route("/v1/predict", self.predict, methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v2", self.metadata),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            *[Route(path, self.model, name="model") for path in (model, versioned)],
            *[Route(f"{path}/ready", self.model_ready) for path in (model, versioned)],
            *[Route(f"{path}/infer", self.infer, methods=["POST"]) for path in (model, versioned)],
            Route("/openapi.json", self.openapi),
            Route("/metrics", self.metrics),
            *[Route(f"/{name}", self.page) for name in _PAGE_FILES],
        ]
        return Starlette(
            routes=routes,
            lifespan=self._lifespan,
            middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1)],
            exception_handlers={Refusal: refused, HTTPException: not_routed},
        )

    async def predict(self, request: Request) -> Response:
        """Classify the image in the body."""
        model = self._model(request.query_params.get("model"), request.query_params.get("version"))
        asked = Asked.of(request.query_params)
        body = await self._body(request)
        content_type = request.headers.get("content-type", "")
        content = await self.engine.submit(
            lambda deadline: self._service.predict(model, body, content_type, asked, deadline)
        )
        return Response(content, media_type="application/json")

    async def models(self, request: Request) -> Response:
        """List the models in service."""
        return JSONResponse(
            [
                {
                    "name": model.name,
                    "version": model.version,
                    "digest": model.classifier.digest,
                    "labels": list(model.classifier.labels),
                    "image_size": list(model.classifier.preprocess.image_size),
                    "activation_map": "activation_map" in model.classifier.outputs,
                    "precision": model.classifier.record.precision if model.classifier.record else "",
                }
                for model in self.store.models
            ]
        )

    async def metadata(self, request: Request) -> Response:
        """Tell what the server is."""
        return JSONResponse({"name": "tlcore", "version": __version__, "extensions": list(EXTENSIONS)})

    async def live(self, request: Request) -> Response:
        """Tell that the server runs."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """Tell whether the server takes requests."""
        if self.draining:
            raise Refusal(503, "the server is shutting down", retry_after=5)
        return JSONResponse({"ready": True})

    async def model(self, request: Request) -> Response:
        """Describe a model."""
        model = self._model(request.path_params["model"], request.path_params.get("version"))
        return JSONResponse(model_metadata(model, self.store.versions(model.name)))

    async def model_ready(self, request: Request) -> Response:
        """Tell whether a model takes requests."""
        model = self._model(request.path_params["model"], request.path_params.get("version"))
        return JSONResponse({"name": model.name, "ready": True})

    async def infer(self, request: Request) -> Response:
        """Answer a request of the Open Inference Protocol."""
        model = self._model(request.path_params["model"], request.path_params.get("version"))
        body = await self._body(request)
        header = request.headers.get(HEADER_LENGTH)
        content, length = await self.engine.submit(lambda deadline: self._service.infer(model, body, header, deadline))
        if length is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={HEADER_LENGTH: str(length)})

    async def openapi(self, request: Request) -> Response:
        """Return the OpenAPI document."""
        return JSONResponse(document())

    async def metrics(self, request: Request) -> Response:
        """Return counters for Prometheus."""
        return Response(self.measures.text(), media_type="text/plain; version=0.0.4")

    async def page(self, request: Request) -> Response:
        """Return the page and its files."""
        name = request.url.path.removeprefix("/")
        content = (_PAGE / (name or "index.html")).read_bytes()
        policy = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; frame-ancestors 'none'"
        return Response(
            content,
            media_type=_PAGE_FILES[name],
            headers={"content-security-policy": policy, "cache-control": "no-cache", "referrer-policy": "no-referrer"},
        )

    def _model(self, name: str | None, version: str | None) -> ServedModel:
        return self.store.default if name is None else self.store.find(name, version)

    async def _body(self, request: Request) -> bytes:
        return await read_body(request, self.settings.body_bytes, self.settings.body_seconds)

    def _report(self, event: str, **fields: object) -> None:
        if event == "model_loaded":
            names = (str(fields["model"]), str(fields["version"]))
            self.measures.loads.labels(*names).inc()
            self.measures.load_seconds.labels(*names).set(float(str(fields["seconds"])))
        self._log(event, **fields)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            self.engine.close()

    async def _watch(self) -> None:
        """Look for changed models; give memory back after one was replaced, and once where requests pause."""
        replaced, tidied, answered, last = self.store.replaced, 0, 0, time.monotonic()
        while True:
            await asyncio.sleep(self.settings.watch_seconds)
            pausing = self.engine.submitted == answered and answered > tidied and time.monotonic() - last > _TIDY_SECONDS
            answered = self.engine.submitted
            if pausing or self.store.replaced > replaced:
                replaced, tidied, last = self.store.replaced, answered, time.monotonic()
                await asyncio.to_thread(give_back)
            await asyncio.to_thread(self.store.refresh)


async def refused(request: Request, error: Exception) -> Response:
    """Answer a request that is not fulfilled: one line of JSON."""
    assert isinstance(error, Refusal)
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    if error.status in (408, 413):
        headers["connection"] = "close"
    return JSONResponse({"error": " ".join(str(error).split())}, error.status, headers)


async def not_routed(request: Request, error: Exception) -> Response:
    """Answer a request for what is not there, or by a method it does not take."""
    assert isinstance(error, HTTPException)
    told = {
        404: "there is nothing at this address; /openapi.json tells what there is",
        405: "this address takes no such method",
    }
    return JSONResponse({"error": told.get(error.status_code, error.detail)}, error.status_code, error.headers)


def make_server(settings: ServerSettings, log: Callable[..., None]) -> Server:
    """Load the models and return the server; its `app` is an ASGI application.

    Pillow's allowance for compressed text in PNG files is lowered to 4 MB for this process, so that text is no bomb either.
    """
    from PIL import PngImagePlugin

    PngImagePlugin.MAX_TEXT_MEMORY = min(PngImagePlugin.MAX_TEXT_MEMORY, 4 << 20)
    return Server(settings, log)
