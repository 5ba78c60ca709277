"""The report of a lesson: what the class was told, with the caveats in it, as HTML, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mien.classroom import tables
from mien.classroom.caveats import caveats
from mien.classroom.policy import REASONS, Mode, Rule
from mien.classroom.records import LessonRecord, Row
from mien.classroom.signals import State
from mien.classroom.store import Store
from mien.classroom.wording import words
from mien.errors import InputError

__all__ = ["FORMATS", "TooFewError", "as_file", "collect", "export_windows", "render"]

FORMATS = ("html", "csv", "json")

_WEB = Path(__file__).parent / "web" / "templates"
_CHART_WIDTH, _CHART_HEIGHT = 720, 200
_BREAK_S = 12.0
"""Windows end every five seconds; after a longer silence a line begins anew, as on the teacher's page."""
_LOTS = random.SystemRandom()
_FORMULA = tuple("=+-@") + tuple("\uff1d\uff0b\uff0d\uff20")
"""How formulas begin; Excel with East Asian input takes the full-width forms for the same."""


class TooFewError(InputError):
    """So few students agreed to research that their rows would be about single people."""


def collect(store: Store, lesson: LessonRecord) -> dict[str, Any]:
    """Gather what is known of a lesson as a class; nothing in it is about one student.

    Raises:
        StoreError: If the store does not answer.
    """
    rows = store.rows_of(tables.aggregates, lesson.id)
    # In the order written the ones that peaked higher or ended later stand last.
    moments = [row["moment"] for row in store.rows_of(tables.moments, lesson.id)]
    by_kind: dict[str, list[Row]] = {"aggregate": [], "answers": [], "agreement": []}
    for row in rows:
        by_kind[row["kind"]].append({"at": row["at"].isoformat(), **row["aggregate"]})
    return {
        "lesson": {
            "title": lesson.title,
            "started_at": lesson.started_at.isoformat(),
            "ended_at": _iso(lesson.ended_at),
        },
        "decision": lesson.decision,
        "mapping": lesson.mapping,
        "aggregates": by_kind["aggregate"],
        "moments": sorted(moments, key=lambda one: one["start_s"]),
        "answers": by_kind["answers"],
        "agreement": by_kind["agreement"][-1] if by_kind["agreement"] else None,
        "gaps": [_gap(row) for row in store.rows_of(tables.gaps, lesson.id)],
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _gap(row: Row) -> dict[str, Any]:
    return {
        "start_at": row["start_at"].isoformat(),
        "end_at": row["end_at"].isoformat(),
        "reason": row["reason"],
        "lost_rows": row["lost_rows"],
    }


def render(
    report: dict[str, Any], form: str, lang: str = "en", utc_offset_min: int = 0
) -> tuple[str, str]:
    """Write a report.

    Args:
        report: From `collect`.
        form: One of `FORMATS`.
        lang: ``"en"`` or ``"ko"``, of the caveats and of the page.
        utc_offset_min: How far clocks are ahead of UTC where the page is read; it names the offset beside its times. CSV
            and JSON have UTC, in ISO 8601 with the offset.

    Returns:
        The text and its media type.

    Raises:
        InputError: If there is no such format.
    """
    reads_expressions = report["decision"]["mode"] != Mode.PRESENCE
    report = {**report, "caveats": caveats(lang, reads_expressions)}
    if form == "json":
        return json.dumps(report, ensure_ascii=False, indent=2), "application/json"
    if form == "csv":
        return _as_csv(report), "text/csv; charset=utf-8"
    if form == "html":
        return _as_html(report, lang, utc_offset_min), "text/html; charset=utf-8"
    raise InputError(f"A report has no format '{form}'; expected {', '.join(FORMATS)}.")


def as_file(text: str, form: str) -> str:
    """Return a report from `render` as a file of it begins: Excel takes Korean for something else in a CSV without a mark."""
    return "\ufeff" + text if form == "csv" else text


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking text for a formula; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    # Python 3.11 writes a lone carriage return without quotes: what follows it would begin a row, and may be a formula.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    is_formula = text.lstrip().startswith(_FORMULA) or text.lstrip(" ").startswith(("\t", "\n"))
    return "'" + text if is_formula else text


def _table(rows: list[list[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _as_csv(report: dict[str, Any]) -> str:
    """One row a statement: when, what kind, which state or answer, its value, of how many."""
    rows: list[list[object]] = [
        ["time_s", "kind", "what", "value", "num_valid", "num_present", "num_waiting"]
    ]
    lesson = report["lesson"]
    rows += [["", "lesson", name, lesson[name] or "", "", "", ""] for name in lesson]
    rows += [["", "decision", "mode", report["decision"]["mode"], "", "", ""]]
    rows += [["", "mapping", "id", report["mapping"], "", "", ""]]
    rows += [
        ["", "caveat", number, text, "", "", ""] for number, text in enumerate(report["caveats"], 1)
    ]
    for one in report["aggregates"]:
        counted = [one["num_valid"], one["num_present"], one["num_waiting"]]
        if one["percent"] is None:
            rows.append([one["time_s"], "withheld", one["withheld"], "", *counted])
        else:
            rows += [[one["time_s"], "percent", s, p, *counted] for s, p in one["percent"].items()]
    for one in report["moments"]:
        rows.append([one["start_s"], "moment", one["state"], one["peak_percent"], "", "", ""])
    for one in report["answers"]:
        for answer, count in (one["counts"] or {"withheld": ""}).items():
            rows.append([one["end_s"], "answers", answer, count, "", one["num_present"], ""])
    for name, value in (report["agreement"] or {}).items():
        rows.append(["", "agreement", name, value, "", "", ""])
    for one in report["gaps"]:
        what = f"{one['start_at']} {one['end_at']} {one['reason']}"
        rows.append(["", "gap", what, one["lost_rows"], "", "", ""])
    return _table(rows)


def export_windows(store: Store, lesson: str, min_students: int) -> str:
    """Return the windows of students who agreed to research as CSV, numbered by lot.

    Raises:
        TooFewError: If fewer than ``min_students`` of them gave data.
    """
    agreed = [one.id for one in store.participants(lesson) if one.research]
    # By lot, anew each time: any order that can be worked out, of joining or of ids, would tell who a number is.
    _LOTS.shuffle(agreed)
    given = [
        kept for one in agreed if _has_data(kept := store.rows_of(tables.windows, lesson, one))
    ]
    if len(given) < min_students:
        raise TooFewError(
            f"Fewer than {min_students} students agreed to research and gave data; nothing is exported of so few."
        )
    rows: list[list[object]] = []
    names = ["time_s", "state", "reason", "num_frames", "num_valid", "valence", "arousal"]
    for number, kept in enumerate(given, 1):
        for row in kept:
            window = row["window"]
            z = window["z"] or {}
            raised = [z.get(name) for name in ("strained", "positive", "surprised")]
            rows.append([number, *(window[name] for name in names), *raised])
    heads: list[object] = ["student", *names, "z_strained", "z_positive", "z_surprised"]
    return _table([heads, *rows])


def _has_data(windows: list[Row]) -> bool:
    """Whether anything is known of a student; a camera that is covered leaves windows too."""
    return any(row["state"] != State.NO_DATA for row in windows)


def _as_html(report: dict[str, Any], lang: str, utc_offset_min: int) -> str:
    templates = Environment(
        loader=FileSystemLoader(_WEB), autoescape=True, undefined=StrictUndefined
    )
    zone = timezone(timedelta(minutes=utc_offset_min))
    templates.filters["local"] = lambda iso: datetime.fromisoformat(iso).astimezone(zone)
    facts = {"report": report, "lang": lang, "words": words(lang), "lines": _lines(report)}
    # The decision is kept in English; its reason is there in both.
    rule = report["decision"].get("rule")
    facts["reason"] = REASONS[Rule(rule)][lang] if rule else ""
    facts["zone"] = str(zone)
    size = {"width": _CHART_WIDTH, "height": _CHART_HEIGHT}
    return templates.get_template("report.html").render(**facts, **size)


def _lines(report: dict[str, Any]) -> dict[str, list[str]]:
    """Return the chart's lines: for each state pieces of ``x,y x,y …``, broken where shares are withheld or nothing was counted."""
    aggregates = report["aggregates"]
    end_s = max((one["time_s"] for one in aggregates), default=1) or 1
    lines: dict[str, list[str]] = {}
    for state in {s: None for one in aggregates for s in one["percent"] or ()}:
        pieces: list[list[str]] = []
        last_s = -math.inf
        for one in aggregates:
            if one["percent"] is None:
                last_s = -math.inf
                continue
            if one["time_s"] - last_s > _BREAK_S:
                pieces.append([])
            last_s = one["time_s"]
            x = one["time_s"] / end_s * _CHART_WIDTH
            y = _CHART_HEIGHT * (1 - min(100, one["percent"].get(state, 0)) / 100)
            pieces[-1].append(f"{x:.1f},{y:.1f}")
        # A line of one point has no length, and is not drawn.
        lines[state] = [" ".join(piece if len(piece) > 1 else 2 * piece) for piece in pieces]
    return lines
