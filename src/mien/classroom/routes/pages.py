"""The pages: join, teach, own data, what is kept. They hold no data; scripts ask for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mien.classroom.caveats import caveats
from mien.classroom.routes.access import school_of
from mien.classroom.schemas import CONSENT_VERSION
from mien.classroom.wording import LANGUAGES, words

__all__ = ["WEB", "missing_page", "router"]

WEB = Path(__file__).parents[1] / "web"
_templates = Environment(
    loader=FileSystemLoader(WEB / "templates"), autoescape=True, undefined=StrictUndefined
)

router = APIRouter(default_response_class=HTMLResponse)


def _page(request: Request, name: str, status: int = 200) -> HTMLResponse:
    school = school_of(request)
    lang = _language(request)
    facts: dict[str, Any] = {
        "lang": lang,
        "words": words(lang),
        "decision": school.decision,
        "reason": school.decision.reason(lang),
        "settings": school.settings,
        "pace": _pace(school.settings.pace_ms, lang),
        "caveats": caveats(lang, school.decision.expressions_allowed),
        "consent": CONSENT_VERSION,
        "mapping": school.mapping,
    }
    return HTMLResponse(_templates.get_template(name).render(facts), status)


def _pace(pace_ms: int, lang: str) -> str:
    """How many pictures a page sends at the most; a machine that does not keep up asks for fewer."""
    name, number = ("a_second", 1000 / pace_ms) if pace_ms <= 1000 else ("seconds", pace_ms / 1000)
    return words(lang)[f"pace_{name}"].format(n=f"{number:.3g}")


def _language(request: Request) -> str:
    """The one asked for in the address, else the browser's first of ours."""
    asked = request.query_params.get("lang", "")
    if asked in LANGUAGES:
        return asked
    return next((one for one in _accepted(request) if one in LANGUAGES), LANGUAGES[0])


def _accepted(request: Request) -> list[str]:
    """The browser's languages without their countries, the dearest first; of equals the one that it names first."""
    weights: dict[str, float] = {}
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, weight = part.partition(";")
        match = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d*)?)\s*", weight) if weight else None
        name = tag.strip().lower().partition("-")[0]
        weights.setdefault(name, float(match[1]) if match else 1.0)
    return sorted((name for name in weights if weights[name] > 0), key=lambda n: -weights[n])


def missing_page(request: Request) -> HTMLResponse:
    """Tell somebody who typed an address that there is nothing under it."""
    return _page(request, "missing.html", 404)


@router.get("/")
async def student_page(request: Request) -> HTMLResponse:
    """Join a lesson, and take part in it."""
    return _page(request, "student.html")


@router.get("/teach")
async def teacher_page(request: Request) -> HTMLResponse:
    """Open a lesson, let students in, see how the class goes."""
    return _page(request, "teacher.html")


@router.get("/mine")
async def mine_page(request: Request) -> HTMLResponse:
    """Come back with a receipt: see, take and delete what is kept of oneself."""
    return _page(request, "mine.html")


@router.get("/privacy")
async def privacy_page(request: Request) -> HTMLResponse:
    """Tell what is sent, kept, shown to whom, and for how long."""
    return _page(request, "privacy.html")
