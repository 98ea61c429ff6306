"""What the server counts, in the form Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Measures:
    """Counters of one server, in a registry of their own.

    Args:
        pending: returns how many requests are waiting or computed.
    """

    def __init__(self, pending: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("tlcore_requests", "Requests answered.", ("route", "status"), registry=self._registry)
        self.seconds = Histogram(
            "tlcore_request_seconds", "From a request's first byte to its answer.", ("route",), registry=self._registry,
            buckets=_SECONDS,
        )  # fmt: skip
        self.stages = Histogram(
            "tlcore_stage_seconds", "Decoding and computing one request.", ("stage",), registry=self._registry,
            buckets=_SECONDS,
        )  # fmt: skip
        self.images = Counter("tlcore_images", "Images classified.", ("model",), registry=self._registry)
        self.batches = Histogram(
            "tlcore_batch_images", "Images computed at once.", registry=self._registry, buckets=(1, 2, 4, 8, 16, 32, 64)
        )
        self.loads = Counter("tlcore_model_loads", "Models loaded.", ("model", "version"), registry=self._registry)
        self.load_seconds = Gauge(
            "tlcore_model_load_seconds", "How long the last load took.", ("model", "version"), registry=self._registry
        )
        queue = Gauge("tlcore_pending_requests", "Requests waiting or being computed.", registry=self._registry)
        queue.set_function(pending)

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
