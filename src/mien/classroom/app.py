"""The web application of the live class, put together from its parts."""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from mien.classroom import tables
from mien.classroom.database import open_engine
from mien.classroom.frames import FrameReading, open_frame_reader
from mien.classroom.perimeter import Perimeter
from mien.classroom.policy import decide
from mien.classroom.routes import health, pages, sockets, students, teachers
from mien.classroom.routes.access import Limits, OpenSockets, RefusedError
from mien.classroom.schema import migrate
from mien.classroom.school import School, utc_now
from mien.classroom.settings import Settings
from mien.classroom.signals import load_mapping
from mien.classroom.store import Store, StoreError
from mien.classroom.store_lock import lock_store
from mien.classroom.workers import Workers
from mien.errors import ConfigError
from mien.processors import usable_cores

__all__ = ["create_app", "open_store"]


def open_store(
    settings: Settings, now: Callable[[], datetime] = utc_now, *, to_serve: bool = False
) -> Store:
    """Open the store and bring it to this version.

    Args:
        settings: Where it is.
        now: The time in UTC.
        to_serve: Whether lessons are run on it, which one server may do.

    Raises:
        ConfigError: If it cannot be opened, or another server runs lessons on it.
    """
    engine = open_engine(settings.store_url())
    lock = lock_store(engine) if to_serve else None
    try:
        migrate(engine)
    except ConfigError:
        if lock is not None:
            lock.close()
        raise
    return Store(engine, now, lock)


def create_app(
    settings: Settings,
    now: Callable[[], datetime] = utc_now,
    clock: Callable[[], float] = time.monotonic,
    build_reader: Callable[[], Callable[[bytes], FrameReading]] | None = None,
) -> FastAPI:
    """Build the application; recognisers and lessons start with it.

    The policy gate comes first: what it forbids is not even opened.

    Args:
        settings: What the operator set.
        now: The time in UTC.
        clock: Seconds that pass in lessons.
        build_reader: Makes what turns a JPEG into a `FrameReading`, in the place of detector and network.

    Raises:
        ConfigError: If the policy is not set, no teacher has a key or one has too long a name, or the store cannot be opened or is another server's.
        MienError: If model or detector cannot be opened; in presence mode no model is looked for.
    """
    decision = decide(settings.jurisdiction, settings.context, settings.mode)
    if not settings.keys():
        raise ConfigError(
            "No teacher can sign in. Set MIEN_CLASSROOM_TEACHER_KEYS=name:key; make a key with: openssl rand -base64 24"
        )
    _check_names(settings)

    def build() -> Callable[[bytes], FrameReading]:
        reader = open_frame_reader(
            expressions=decision.expressions_allowed,
            model=settings.model,
            detector=settings.detector,
        )
        return functools.partial(reader.read, time_s=0.0)  # the lesson puts the time in

    if build_reader is None:
        build()  # what cannot be opened is said here, before the store is touched; recognisers open their own when they start
    count = settings.workers or usable_cores()
    workers: Workers[FrameReading] = Workers(build_reader or build, count)
    mapping = load_mapping()
    store = open_store(settings, now, to_serve=True)
    school = School(settings, decision, mapping, store, workers, now, clock)
    workers.on_replaced = school.metrics.workers_replaced.inc

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await school.start()
        try:
            yield
        finally:
            await school.stop()

    # The interactive documentation would load scripts from elsewhere.
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.school = school
    app.state.limits = Limits()
    app.state.open_sockets = 0
    app.state.teacher_sockets = OpenSockets()
    for part in (sockets, pages, teachers, students, health):  # routes are tried in this order
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=pages.WEB / "static"))
    _answer_errors(app)
    app.add_middleware(
        Perimeter,
        hosts=settings.hosts(),
        origins=settings.all_origins(),
        is_encrypted=settings.is_encrypted,
        is_known=school.tokens.is_known,
    )
    return app


def _check_names(settings: Settings) -> None:
    """A longer name could never sign in: PostgreSQL takes none that does not fit, while SQLite takes any."""
    longest = tables.NAME_LENGTH
    names = settings.keys()
    for name in names:
        if len(name) > longest:
            raise ConfigError(
                f"MIEN_CLASSROOM_TEACHER_KEYS names a teacher in {len(name)} characters, '{name[:20]}…'; "
                f"expected {longest} at most."
            )


def _answer_errors(app: FastAPI) -> None:
    """Give every error the same shape; what was sent is never repeated."""

    def answer(status: int, code: str, message: str) -> JSONResponse:
        return JSONResponse({"error": {"code": code, "message": message}}, status)

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> JSONResponse:
        return answer(error.status, error.code, str(error))

    @app.exception_handler(StoreError)
    async def away(_: Request, error: StoreError) -> JSONResponse:
        if error.reason == "refused":
            return answer(422, "invalid", "The store takes no such value.")
        return answer(503, "store", "The store is away. Lessons go on; try again in a moment.")

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        # The place of a field that there is not is its name, and that was sent.
        places = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
        where = ".".join(str(part) for part in places)
        return answer(422, "invalid", f"{where}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
            return pages.missing_page(request)  # somebody typed the address
        return answer(error.status_code, "http", str(error.detail))
