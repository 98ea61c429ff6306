"""What the server does with a request once its body is there; runs in the engine's threads."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlcore.prediction import likeliest
from tlcore.server.engine import Engine, check_deadline
from tlcore.server.measures import Measures
from tlcore.server.models import ServedModel
from tlcore.server.oip import InferRequest, Tensor, answer, parse_request
from tlcore.server.refusal import Refusal
from tlcore.server.requests import image_of
from tlcore.server.uploads import UploadLimits, open_upload


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request to ``/v1/predict`` asks for.

    Attributes:
        top_k: how many classes.
        activation_map: whether to return the map of the likeliest class.
    """

    top_k: int = 5
    activation_map: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Asked:
        """Read a query; raises `Refusal` 400."""
        text = query.get("top_k", "5")
        if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) < 1:
            raise Refusal(400, "top_k must be a whole number above 0")
        flag = query.get("activation_map", "false").lower()
        if flag not in ("true", "false", "1", "0"):
            raise Refusal(400, "activation_map must be true or false")
        return cls(top_k=int(text), activation_map=flag in ("true", "1"))


@dataclass(frozen=True)
class Service:
    """Answers requests.

    Attributes:
        engine: where images are computed.
        measures: what is counted.
        limits: of uploaded images.
        most_images: per request.
    """

    engine: Engine
    measures: Measures
    limits: UploadLimits
    most_images: int

    def predict(self, model: ServedModel, body: bytes, content_type: str, asked: Asked, deadline: float) -> bytes:
        """Return the answer to ``/v1/predict`` as JSON."""
        classifier = model.classifier
        outputs = ["probabilities"]
        if asked.activation_map:
            if "activation_map" not in classifier.outputs:
                raise Refusal(400, f"model {model.name!r} has no activation map")
            outputs.append("activation_map")
        started = time.perf_counter()
        image = open_upload(image_of(body, content_type), self.limits)
        pixels = classifier.preprocess.pixels(image)
        decoded = time.perf_counter()
        found = self.engine.classify(model, pixels[np.newaxis], outputs, deadline)
        self._observe(model, 1, decoded - started, time.perf_counter() - decoded)
        probabilities = found["probabilities"][0]
        document: dict[str, Any] = {
            "model": model.name,
            "version": model.version,
            "classes": [
                {"class": name, "probability": round(probability, 6)}
                for name, probability in likeliest(probabilities, classifier.labels, asked.top_k)
            ],
            "image": {"width": image.width, "height": image.height},
        }
        if asked.activation_map:
            document["activation_map"] = {
                "class": document["classes"][0]["class"],
                "region": [round(share, 6) for share in classifier.preprocess.region(image.size)],
                "values": np.round(found["activation_map"][0].astype(np.float64), 4).tolist(),
            }
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")

    def infer(self, model: ServedModel, body: bytes, header_length: str | None, deadline: float) -> tuple[bytes, int | None]:
        """Return the answer to ``infer`` of the Open Inference Protocol, and the length of its JSON if bytes follow."""
        request = parse_request(body, header_length, model.classifier.outputs, self.most_images)
        started = time.perf_counter()
        inputs = self._inputs(model, request.tensor, deadline)
        decoded = time.perf_counter()
        found = self._outputs(model, inputs, request, deadline)
        self._observe(model, len(inputs), decoded - started, time.perf_counter() - decoded)
        return answer(request, model, found)

    def _inputs(self, model: ServedModel, tensor: Tensor, deadline: float) -> np.ndarray:
        preprocess = model.classifier.preprocess
        height, width = preprocess.image_size
        if tensor.array is None:
            pixels = []
            for data in tensor.encoded:
                check_deadline(deadline)
                pixels.append(preprocess.pixels(open_upload(data, self.limits)))
            return np.stack(pixels)
        array = tensor.array
        if model.classifier.record is None:
            expected: tuple[int, ...] = (3, height, width)
            if array.dtype != np.float32 or array.shape[1:] != expected:
                raise Refusal(400, f"the model takes FP32 [images, 3, {height}, {width}], got shape {list(array.shape)}")
            return array
        if array.shape[1:] != (height, width, 3):
            raise Refusal(400, f"the model takes [images, {height}, {width}, 3], got shape {list(array.shape)}")
        if array.dtype == np.uint8:
            return array
        levels = np.rint(array)
        if not (levels == array).all() or array.min() < 0 or array.max() > 255:
            raise Refusal(400, "FP32 pixels must be whole levels from 0 to 255, since images have no others; or send UINT8")
        whole: np.ndarray = levels.astype(np.uint8)
        return whole

    def _outputs(
        self, model: ServedModel, inputs: np.ndarray, request: InferRequest, deadline: float
    ) -> Mapping[str, np.ndarray]:
        names = list(dict.fromkeys(wanted.name for wanted in request.outputs))
        if inputs.dtype == np.uint8:
            return self.engine.classify(model, inputs, names, deadline)
        check_deadline(deadline)
        return model.classifier.run_plain(inputs, names)

    def _observe(self, model: ServedModel, images: int, decoding: float, computing: float) -> None:
        self.measures.images.labels(model.name).inc(images)
        self.measures.stages.labels("decode").observe(decoding)
        self.measures.stages.labels("compute").observe(computing)
