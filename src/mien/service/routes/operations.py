"""What those who run the service ask: does it live, is it ready, what has it done."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response

from mien.service.metrics import Metrics
from mien.service.problems import Problem
from mien.service.routes.predict import json_response
from mien.service.schemas import ERRORS

__all__ = ["operation_routes"]


def operation_routes(metrics: Metrics, is_ready: Callable[[], bool]) -> APIRouter:
    """Return the routes.

    Args:
        metrics: What /metrics tells.
        is_ready: Whether new requests are welcome.
    """
    router = APIRouter(responses=ERRORS, tags=["operations"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", response_model=dict[str, str])
    async def healthz() -> Response:
        """Say that the process answers at all."""
        return json_response({"status": "ok"})

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", response_model=dict[str, str])
    async def readyz() -> Response:
        """Say whether requests should be sent here; not while the service is ending."""
        if not is_ready():
            raise Problem(
                503, "ending", "The service is ending. Ask another one.", {"retry-after": "1"}
            )
        return json_response({"status": "ready"})

    @router.head("/metrics", include_in_schema=False)
    @router.get(
        "/metrics", responses={200: {"content": {"text/plain": {}}}}, response_class=Response
    )
    async def prometheus() -> Response:
        """Give the counters of all workers in Prometheus's format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
