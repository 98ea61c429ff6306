"""A web service around a bundle, in thirty lines: run it with ``uvicorn --factory web_service:create``.

    curl --data-binary @photo.jpg http://127.0.0.1:8000/predict

For serving without torch, and for existing clients, there is 'tl serve'; this shows tlcore inside somebody else's program.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from tlcore import Bundle, Prediction, Registry, load_bundle, predict
from tlcore.errors import ImageError


def create(bundle: Bundle | None = None) -> FastAPI:
    """Make the service; without a bundle, of the one that the variable ``BUNDLE`` names."""
    loaded = bundle if bundle is not None else load_bundle(Path(os.environ["BUNDLE"]), Registry())
    service = FastAPI(title=f"Tells apart {', '.join(loaded.record.classes)}")

    def look(data: bytes) -> Prediction:
        return next(predict(loaded, [data], top_k=3, strict=True))

    @service.post("/predict")
    async def answer(request: Request) -> dict[str, float]:
        try:
            prediction = await run_in_threadpool(look, await request.body())
        except ImageError as error:
            raise HTTPException(400, str(error)) from error
        return dict(prediction.classes)

    return service
