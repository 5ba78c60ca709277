"""What every request passes: who calls, from where, how often, how many at once; its line in the log, its counters."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.addresses import host_name, is_loopback
from mien.service.keys import KeyRing
from mien.service.limits import Admission, RateLimit
from mien.service.metrics import Metrics
from mien.service.problems import Problem, problem_response
from mien.service.settings import Settings

__all__ = ["EXPOSED", "Gate"]

logger = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json"})
"""Answered without a key: they tell nothing of anyone."""

_PROBED_PATHS = frozenset({"/healthz", "/readyz"})
"""Answered under any name: what watches a service calls it by an address, which is seldom one of its names."""

EXPOSED = ("X-Request-ID", "Retry-After")
"""What scripts of an allowed page can read besides what browsers let them read anyway."""

_MAX_HEADER_BYTES = 16 << 10
_MAX_PATH_BYTES = 4 << 10
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Gate:
    """ASGI middleware around everything."""

    def __init__(  # noqa: PLR0913 - what each check asks
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        keys: KeyRing | None,
        rates: RateLimit,
        admission: Admission,
        metrics: Metrics,
        is_draining: Callable[[], bool] = lambda: False,
        paths: Collection[str] = (),
    ) -> None:
        """Stand before an app.

        Args:
            app: Answers what is let through.
            settings: Names, origins, limits.
            keys: Who may call; None lets everyone who can reach the service.
            rates: How often each key may.
            admission: How many at once.
            metrics: Are counted up.
            is_draining: Whether the service is ending, so that callers should go elsewhere.
            paths: Those that the app answers: what is refused here is counted by them too.
        """
        self._app = app
        self._settings = settings
        self._keys = keys
        self._rates = rates
        self._admission = admission
        self._metrics = metrics
        self._is_draining = is_draining
        self._paths = frozenset(paths) | OPEN_PATHS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, have it answered, write it down."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = _headers(scope)
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            # Not from the system: asking it lets Python's lock go, and another thread may keep it for milliseconds.
            request_id = f"{random.getrandbits(64):016x}"
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = [(b"x-request-id", request_id.encode()), (b"cache-control", b"no-store")]
                if self._is_draining():
                    added.append((b"connection", b"close"))
                present = message.get("headers", ())
                message["headers"] = [*present, *added, *self._readable_by(headers, present)]
            await send(message)

        facts: dict[str, Any] = {}
        scope.setdefault("state", {})["facts"] = facts
        self._metrics.at_work.inc()
        try:
            await self._pass(scope, headers, facts, receive, answer)
        except (Exception, asyncio.CancelledError) as error:
            problem = self._problem_of(error, request_id)
            # Of an answer that has begun, only breaking it off says that it is not whole.
            if problem is None or status:
                raise
            facts["error"] = problem.code
            await problem_response(problem)(scope, receive, answer)
        finally:
            self._metrics.at_work.dec()
            self._write_down(scope, request_id, status, time.perf_counter() - started, facts)

    def _problem_of(self, error: BaseException, request_id: str) -> Problem | None:
        """Return what a caller is told of an error; None if there is nobody to tell."""
        if isinstance(error, Problem):
            return error
        if isinstance(error, asyncio.CancelledError):
            if not self._is_draining():
                return None
            # The server gives up what is not answered within the drain's limit.
            message = "The service ended before there was an answer. Ask again."
            return Problem(503, "ending", message, {"retry-after": "1"})
        logger.error("A request failed.", exc_info=error, extra={"fields": {"request": request_id}})
        return Problem(500, "internal", f"Something failed here; it is in the log as {request_id}.")

    async def _pass(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        facts: dict[str, Any],
        receive: Receive,
        send: Send,
    ) -> None:
        self._check_size(scope)
        self._check_names(scope["path"], headers)
        if scope["path"] not in OPEN_PATHS and not _is_preflight(scope, headers):
            self._check_caller(headers, facts)
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        with self._admission.enter() as held:
            scope["state"]["held"] = held
            await self._app(scope, receive, send)

    def _check_size(self, scope: Scope) -> None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_PATH_BYTES:
            raise Problem(414, "path_too_long", f"The path has more than {_MAX_PATH_BYTES} bytes.")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _MAX_HEADER_BYTES:
            raise Problem(
                431,
                "headers_too_large",
                f"The headers have more than {_MAX_HEADER_BYTES} bytes together.",
            )

    def _check_names(self, path: str, headers: Mapping[str, str]) -> None:
        """Keep out pages of the web that a browser on this machine happens to show.

        Without keys a page could otherwise reach what only listens here: by its own name, made to point at 127.0.0.1, or
        by sending a form that it does not need to read the answer of.
        """
        host = host_name(headers.get("host", ""))
        hosts = self._settings.hosts
        is_allowed = host in hosts if hosts else self._keys is not None or is_loopback(host)
        if not is_allowed and path not in _PROBED_PATHS:
            raise Problem(
                403,
                "host_not_allowed",
                "The service is not called by this name. Allow it with MIEN_SERVICE_HOSTS.",
            )
        origin = headers.get("origin")
        if origin is not None and origin not in self._settings.origins:
            raise Problem(
                403,
                "origin_not_allowed",
                "Pages of this origin may not call. Allow it with MIEN_SERVICE_ORIGINS.",
            )

    def _check_caller(self, headers: Mapping[str, str], facts: dict[str, Any]) -> None:
        if self._keys is None:
            return
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        secret = headers.get("x-api-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
        name = self._keys.name_of(secret) if secret else None
        if name is None:
            what = "This API key is not valid" if secret else "An API key is needed"
            raise Problem(
                401,
                "unauthorized",
                f"{what}. Send one as 'Authorization: Bearer …' or 'X-API-Key: …'.",
                {"www-authenticate": "Bearer"},
            )
        facts["key"] = name
        wait_s = self._rates.wait_s(name)
        if wait_s > 0:
            raise Problem(
                429,
                "too_many_requests",
                f"This key may make {self._settings.rate_per_s:g} requests a second. "
                f"Come again in {wait_s:.2f} s.",
                {"retry-after": str(max(1, round(wait_s + 0.5)))},
            )

    def _readable_by(
        self, headers: Mapping[str, str], present: Iterable[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        """Let an allowed page read what is refused here, before the answers that CORS is seen to for."""
        origin = headers.get("origin")
        if origin not in self._settings.origins or any(
            name.lower() == b"access-control-allow-origin" for name, _ in present
        ):
            return []
        return [
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
            (b"vary", b"Origin"),
        ]

    def _write_down(
        self, scope: Scope, request_id: str, status: int, seconds: float, facts: Mapping[str, Any]
    ) -> None:
        # The template, not the path: a path may hold anything, and would make a counter of its own.
        known = scope["path"] if scope["path"] in self._paths else "unknown"
        route = getattr(scope.get("route"), "path", known)
        method = (
            scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
        )
        self._metrics.requests.labels(method, route, str(status or 499)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if logger.isEnabledFor(logging.INFO):
            fields = {
                "request": request_id,
                "method": method,
                "route": route,
                "status": status or 499,  # the caller went away
                "ms": round(1000 * seconds, 1),
                **facts,
            }
            logger.info("request", extra={"fields": fields})


def _headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def _is_preflight(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks if it may ask; it sends no key with that."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers
