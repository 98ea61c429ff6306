"""The OpenAPI document of the server."""

from __future__ import annotations

from typing import Any

from tlcore.version import __version__

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_WHOLE = {"type": "integer"}
_FREE = {"type": "object"}

_ERRORS = {
    400: "the request is wrong",
    401: "a bearer token is needed",
    404: "there is no such model",
    405: "no such method",
    408: "the body came too slowly",
    413: "the body or the image is too large",
    415: "the format or compression is not taken",
    429: "this client has as many requests under way as it may; Retry-After says when to try again",
    503: "busy or shutting down; Retry-After says when to try again",
}


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    model = [_path("model")]
    versioned = [_path("model"), _path("version")]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tlcore",
            "version": __version__,
            "description": "Image classifiers. /v2 is the Open Inference Protocol with its binary tensor extension.",
        },
        "paths": {
            "/v1/predict": {"post": _predict()},
            "/v1/models": {"get": _read("List the models in service.", {"type": "array", "items": _FREE})},
            "/v2": {"get": _read("What the server is.", _object(name=_TEXT, version=_TEXT, extensions=_list(_TEXT)))},
            "/v2/health/live": {"get": _read("Whether the server runs.", _FREE)},
            "/v2/health/ready": {"get": _read("Whether the server takes requests.", _FREE, 503)},
            **_model_paths("/v2/models/{model}", model),
            **_model_paths("/v2/models/{model}/versions/{version}", versioned),
            "/metrics": {"get": _read("Counters for Prometheus.", _TEXT, media="text/plain")},
        },
        "components": {
            "schemas": {"Error": {**_object(error=_TEXT), "required": ["error"]}, "InferRequest": _infer_request()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _model_paths(path: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        path: {"get": {**_read("Describe a model.", _FREE, 404), "parameters": parameters}},
        f"{path}/ready": {"get": {**_read("Whether a model takes requests.", _FREE, 404), "parameters": parameters}},
        f"{path}/infer": {
            "post": {
                "summary": "Infer, by the Open Inference Protocol.",
                "parameters": parameters,
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}},
                        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                    },
                },
                "responses": {
                    "200": {
                        "description": "the outputs",
                        "content": {
                            "application/json": {
                                "schema": _object(model_name=_TEXT, model_version=_TEXT, id=_TEXT, outputs=_list(_FREE))
                            },
                            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                        },
                    },
                    **_refusals(400, 401, 404, 408, 413, 415, 429, 503),
                },
            }
        },
    }


def _predict() -> dict[str, Any]:
    image = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": {**_object(image={"type": "string", "format": "binary"}), "required": ["image"]}}
    classes = _list(_object(**{"class": _TEXT, "probability": _NUMBER}))
    return {
        "summary": "Classify one image.",
        "parameters": [
            _query("model", _TEXT, "its name; the first model where it is not given"),
            _query("version", _TEXT, "its version; the last where it is not given"),
            _query("top_k", {"type": "integer", "minimum": 1, "maximum": 999999}, "how many classes to return"),
            _query("activation_map", {"type": "boolean"}, "whether to return the activation map"),
        ],
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": image, "image/png": image, "image/webp": image, "multipart/form-data": form},
        },
        "responses": {
            "200": {
                "description": "the likeliest classes, likeliest first",
                "content": {
                    "application/json": {
                        "schema": _object(
                            model=_TEXT,
                            version=_TEXT,
                            classes=classes,
                            image=_object(width=_WHOLE, height=_WHOLE),
                            activation_map=_object(**{"class": _TEXT}, region=_list(_NUMBER), values=_list(_list(_NUMBER))),
                        )
                    }
                },
            },
            **_refusals(400, 401, 404, 408, 413, 415, 429, 503),
        },
    }


def _infer_request() -> dict[str, Any]:
    tensor = _object(
        name=_TEXT,
        datatype={"type": "string", "enum": ["BYTES", "UINT8", "FP32"]},
        shape=_list(_WHOLE),
        data={"type": "array"},
        parameters=_FREE,
    )
    return {
        **_object(
            id=_TEXT,
            parameters=_FREE,
            inputs=_list({**tensor, "required": ["name", "datatype", "shape"]}),
            outputs=_list(_FREE),
        ),
        "required": ["inputs"],
    }


def _read(summary: str, schema: dict[str, Any], *errors: int, media: str = "application/json") -> dict[str, Any]:
    good = {"200": {"description": "good", "content": {media: {"schema": schema}}}}
    return {"summary": summary, "responses": {**good, **_refusals(401, *errors)}}


def _refusals(*statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {str(status): {"description": _ERRORS[status], "content": content} for status in statuses}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
