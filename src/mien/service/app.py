"""The application: routes behind the gate, with one recogniser."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Route

from mien import __version__
from mien.processors import usable_cores
from mien.recognition import Recognizer
from mien.service.engine import Engine
from mien.service.fallback import (
    Fallback,
    RekognitionFallback,
    check_labels,
    rekognition_client,
)
from mien.service.gate import EXPOSED, Gate
from mien.service.keys import KeyRing
from mien.service.limits import Admission, RateLimit
from mien.service.looking import open_two_looks
from mien.service.metrics import Metrics
from mien.service.problems import Problem, problem_response, unknown_path, wrong_method
from mien.service.routes.compatibility import compatibility_routes
from mien.service.routes.operations import operation_routes
from mien.service.routes.predict import predict_routes
from mien.service.settings import Settings, check_safe, load_settings

__all__ = ["check_fallback", "create_app", "open_recognizer"]

logger = logging.getLogger(__name__)

_CLOSE_S = 0.5
"""So long threads are waited for at the end. What was accepted is answered or given up by then."""
_OWN_IN_TIME = 0.9
"""After this part of what an answer may take, the cloud is waited for no more."""
_STUCK = 2
"""A thread that has been at one picture for so many times what an answer may take is at work for nobody."""


def create_app(
    settings: Settings | None = None,
    *,
    recognizer: Recognizer | None = None,
    fallback: Fallback | None = None,
    rates_file: Path | None = None,
) -> FastAPI:
    """Make the service, as an ASGI application.

    Args:
        settings: None reads them from the environment.
        recognizer: One that is open already, in the place of the settings' model and detector.
        fallback: Whom to ask, in the place of the settings' fallback.
        rates_file: Where several processes count requests together; None counts in this one alone.

    Raises:
        ConfigError: If a setting cannot be used, or would make the service unsafe.
        MienError: If the model or the detector cannot be opened.
    """
    if settings is None:
        settings = load_settings()
    else:
        check_safe(settings)
    recognizer = recognizer or open_recognizer(settings)
    if fallback is None and settings.fallback == "rekognition":
        fallback = _rekognition(settings, recognizer)
    metrics = Metrics()
    engine = Engine(
        recognizer,
        jobs=settings.jobs or max(1, usable_cores() // settings.workers),
        max_pixels=settings.max_pixels,
        max_faces=settings.max_faces,
        batch_size=settings.batch_size,
        batch_wait_s=settings.batch_wait_ms / 1000,
        fallback=fallback,
        # Connecting and reading each have their limit; what is left is for our own answer, whose limit this is too.
        fallback_wait_s=min(2 * settings.fallback_timeout_s, settings.timeout_s / 2),
        fallback_until_s=_OWN_IN_TIME * settings.timeout_s,
        observe_batch=metrics.batches.observe,
    )
    rates = RateLimit(rates_file, settings.rate_per_s, settings.burst)
    return _assemble(settings, engine, metrics, rates)


def open_recognizer(settings: Settings) -> Recognizer:
    """Open the model and the detector of the settings.

    Raises:
        MienError: If one of them cannot be opened.
    """
    return Recognizer(
        settings.model,
        settings.labels,
        open_two_looks(settings.detector, settings.detector_file, settings.search_px),
        min_confidence=settings.min_confidence,
    )


def check_fallback(settings: Settings, labels: Collection[str]) -> None:
    """See whether the fallback of the settings could be asked at all.

    Args:
        settings: Name it.
        labels: The recogniser's.

    Raises:
        MissingExtraError: If what asks it is not installed.
        ConfigError: If it is not known where it is, or it knows none of the labels.
    """
    if settings.fallback == "rekognition":
        check_labels(labels)
        rekognition_client(settings.fallback_region, settings.fallback_timeout_s)


def _assemble(settings: Settings, engine: Engine, metrics: Metrics, rates: RateLimit) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        engine.warm_up()
        yield
        # In a thread, so that requests which are given up still get their answer.
        if not await asyncio.to_thread(engine.close, _CLOSE_S):
            logger.error("A thread is still at work on a picture and is left behind.")
        rates.close()

    def is_ready() -> bool:
        if engine.busy_s() > _STUCK * settings.timeout_s:
            raise Problem(503, "stuck", "A thread does not end its work. Ask another service.")
        return not app.state.is_draining

    app = FastAPI(
        title="mien",
        version=__version__,
        summary="Facial expressions in pictures, recognised on this machine.",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy they would lead to another port, and without TLS
        lifespan=lifespan,
        # FastAPI can report requests to OpenTelemetry; nothing of them is to go anywhere else.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.is_draining = False
    app.state.metrics = metrics
    routers = (
        predict_routes(engine, settings, metrics),
        compatibility_routes(engine, settings, metrics),
        operation_routes(metrics, is_ready),
    )
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _argument_problem)
    if settings.origins:
        app.add_middleware(
            _Cors,
            allow_origins=settings.origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", "X-Request-ID"],
            expose_headers=EXPOSED,
            max_age=600,
        )
    app.add_middleware(
        Gate,
        settings=settings,
        keys=KeyRing(settings.keys) if settings.keys else None,
        rates=rates,
        admission=Admission(settings.max_requests, settings.max_waiting_bytes),
        metrics=metrics,
        is_draining=lambda: app.state.is_draining,
        paths={one.path for router in routers for one in router.routes if isinstance(one, Route)},
    )
    return app


class _Cors(CORSMiddleware):
    """Starlette's, but for the shape of what it refuses."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Say whether a page may ask."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        kept = {"vary", "access-control-allow-origin"}
        headers = {name: value for name, value in answer.headers.items() if name in kept}
        reason = bytes(answer.body).decode().removeprefix("Disallowed CORS ")
        message = f"Pages may not ask like this: not allowed is the request's {reason}."
        return problem_response(Problem(answer.status_code, "preflight_refused", message, headers))


def _rekognition(settings: Settings, recognizer: Recognizer) -> Fallback:
    client = rekognition_client(settings.fallback_region, settings.fallback_timeout_s)
    logger.warning(
        "Pictures in which mien finds no face or is unsure are sent to AWS Rekognition in %s.",
        client.meta.region_name,
    )
    return RekognitionFallback(client, recognizer.labels, recognizer.unsure_below)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    request.scope["state"]["facts"]["error"] = error.code
    return problem_response(error)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return await _problem(request, unknown_path())
    if error.status_code == 405:
        return await _problem(
            request, wrong_method((error.headers or {}).get("Allow", "another one"))
        )
    return await _problem(
        request, Problem(error.status_code, "bad_request", str(error.detail), error.headers)
    )


async def _argument_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return await _problem(request, Problem(422, "bad_argument", f"{where}: {first['msg']}."))
