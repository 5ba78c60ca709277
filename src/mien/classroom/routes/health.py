"""For those who operate the server: is it alive, is it ready, how is it doing."""

from __future__ import annotations

import secrets
import time

from fastapi import APIRouter, Request, Response

from mien.addresses import is_loopback
from mien.classroom.routes.access import RefusedError, address_of, school_of
from mien.classroom.store import StoreError

__all__ = ["router"]

router = APIRouter()

_LATE_S = 5.0
"""The server moves lessons on once a second; after so long without it something blocks it."""
_MISSED_ROUNDS = 2
"""Each purge deletes what would pass its age before the next; after so many rounds without one, rows have passed it."""


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """Answer, which is all that is asked."""
    return {"status": "alive"}


@router.get("/readyz")
async def is_ready(request: Request, response: Response) -> dict[str, str]:
    """Tell whether store, lessons and the deleting of what is too old work."""
    school = school_of(request)
    try:
        await school.ask(school.store.check)
        store = school.writer.trouble() or "ok"
    except StoreError as error:
        store = error.reason
    now_s = time.monotonic()
    lessons = "ok" if now_s - school.last_tick_s < _LATE_S else "late"
    purge_late_s = _MISSED_ROUNDS * school.purge_every_s + _LATE_S
    purge = "ok" if now_s - school.last_purge_s < purge_late_s else "late"
    if (store, lessons, purge) != ("ok", "ok", "ok"):
        response.status_code = 503
    return {"store": store, "lessons": lessons, "purge": purge}


@router.get("/metrics")
async def show_metrics(request: Request) -> Response:
    """Return counts for Prometheus: to this machine, or to who has the key."""
    school = school_of(request)
    wanted = school.settings.metrics_key
    if wanted is not None:
        _, _, given = request.headers.get("authorization", "").partition(" ")
        is_known = secrets.compare_digest(given.encode(), wanted.get_secret_value().encode())
    else:  # through a proxy everybody seems to come from this machine
        is_known = is_loopback(address_of(request)) and not school.settings.behind_proxy
    if not is_known:
        raise RefusedError(403, "metrics", "Set MIEN_CLASSROOM_METRICS_KEY and bring it as Bearer.")
    return Response(school.metrics.text(), media_type="text/plain; version=0.0.4")
