"""A timeline to look at: a PNG, or one HTML page that needs nothing else.

Both are drawn from the same list of bars and words. Pillow draws the PNG, so no plotting library is needed.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw

from mien import images
from mien.errors import ConfigError
from mien.labels import canonical, display_name
from mien.recognition.draw import COLOURS, readable_names, text_font
from mien.recognition.timeline import Timeline
from mien.replacing import replacing
from mien.utf8 import write_text

__all__ = ["round_step_s", "timeline_html", "write_timeline_html", "write_timeline_png"]

_WIDTH, _LEFT, _TOP = 1000, 90, 64
_ROW, _BAR, _LEGEND = 34, 22, 26
_TEXT_PX, _SCALE = 13, 2
_MOST_TRACKS = 60
"""More rows than these nobody reads, and a crowd would make a picture that no program opens."""
_INK, _FAINT, _OTHER = "#1f2933", "#d9dee4", "#999999"
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_LONG_S = 36_000
"""From ten hours on, hours are written."""


@dataclass(frozen=True, slots=True)
class _Bar:
    x: float
    y: float
    w: float
    h: float
    colour: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Words:
    x: float
    y: float
    """Of their middle."""
    text: str
    anchor: str
    """``"l"``, ``"m"`` or ``"r"``: which end stands at x."""


def write_timeline_png(timeline: Timeline, path: Path, title: str, lang: str = "en") -> None:
    """Draw a timeline: one row a track, one colour an expression.

    Args:
        timeline: What to draw.
        path: The PNG to write.
        title: Stands above it.
        lang: ``"en"`` or ``"ko"``; without a font that has Hangul the words are English.

    Raises:
        ImageError: If the file cannot be written.
    """
    labels = _labels(timeline)
    names = dict(zip(labels, readable_names(labels, lang), strict=True))
    shapes, height = _drawing(timeline, _shown(title), names)
    canvas = PIL.Image.new("RGB", (_WIDTH * _SCALE, round(height * _SCALE)), "white")
    pen = PIL.ImageDraw.Draw(canvas)
    for shape in shapes:
        if isinstance(shape, _Bar):
            left, top = shape.x * _SCALE, shape.y * _SCALE
            right = max(left, left + shape.w * _SCALE - 1)
            pen.rectangle((left, top, right, top + shape.h * _SCALE - 1), fill=shape.colour)
        else:
            font = text_font(shape.text, _TEXT_PX * _SCALE)
            place = (shape.x * _SCALE, shape.y * _SCALE)
            pen.text(place, shape.text, font=font, fill=_INK, anchor=f"{shape.anchor}m")
    images.write(path, np.asarray(canvas, np.uint8))


def write_timeline_html(timeline: Timeline, path: Path, title: str, lang: str = "en") -> None:
    """Write `timeline_html` to a file.

    Raises:
        ConfigError: If the file cannot be written.
    """
    try:
        with replacing(path) as partial:
            write_text(partial, timeline_html(timeline, title, lang))
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None


def timeline_html(timeline: Timeline, title: str, lang: str = "en") -> str:
    """Return a page with the drawing, whose bars say their times, and the seconds as a table.

    It has no script and loads nothing, so it can be sent and kept.

    Args:
        timeline: What to draw.
        title: Stands above it.
        lang: ``"en"`` or ``"ko"``.
    """
    title = _shown(title)
    names = {label: display_name(label, lang) for label in _labels(timeline)}
    shapes, height = _drawing(timeline, title, names)
    rows = "".join(
        f"<tr><td>{track}<td>{html.escape(names[label])}<td>{total:.1f}"
        for track, totals in timeline.seconds().items()
        for label, total in totals.items()
    )
    return (
        f'<!doctype html><html lang="{lang}"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>body{{font:14px sans-serif;color:{_INK};margin:2em}}svg{{max-width:100%;height:auto}}"
        f"td,th{{padding:.15em 1em .15em 0;text-align:left}}td:last-child{{text-align:right}}</style>"
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" '
        f'font-family="sans-serif" font-size="{_TEXT_PX}" role="img">'
        f"{''.join(_svg(shape) for shape in shapes)}</svg>"
        f"<table><tr><th>track<th>expression<th>seconds{rows}</table></html>\n"
    )


def _shown(title: str) -> str:
    """Return a title that can be written: the bytes of a file's name may be no text."""
    return title.encode("utf-8", "replace").decode()


def _svg(shape: _Bar | _Words) -> str:
    if isinstance(shape, _Bar):
        title = f"<title>{html.escape(shape.title)}</title>" if shape.title else ""
        size = f'width="{shape.w:.2f}" height="{shape.h:g}"'
        return (
            f'<rect x="{shape.x:.2f}" y="{shape.y:g}" {size} fill="{shape.colour}">{title}</rect>'
        )
    anchor = {"l": "start", "m": "middle", "r": "end"}[shape.anchor]
    place = f'x="{shape.x:.2f}" y="{shape.y + 0.35 * _TEXT_PX:.2f}"'
    return f'<text {place} text-anchor="{anchor}" fill="{_INK}">{html.escape(shape.text)}</text>'


def _labels(timeline: Timeline) -> list[str]:
    return list(dict.fromkeys(stretch.expression for stretch in timeline.stretches()))


def _drawing(
    timeline: Timeline, title: str, names: Mapping[str, str]
) -> tuple[list[_Bar | _Words], float]:
    """Return what stands where, and the height of it all, in CSS px."""
    totals = {track: sum(shown.values()) for track, shown in timeline.seconds().items()}
    tracks = sorted(sorted(totals, key=lambda track: -totals[track])[:_MOST_TRACKS])
    if len(tracks) < len(totals):
        title += f" · the {len(tracks)} longest of {len(totals)} tracks"
    stretches = [stretch for stretch in timeline.stretches() if stretch.track in tracks]
    start_s = timeline.start_s
    span_s = timeline.end_s - start_s or 1.0
    per_s = (_WIDTH - _LEFT - 30) / span_s
    bottom = _TOP + _ROW * max(1, len(tracks))
    shapes: list[_Bar | _Words] = [_Words(_LEFT, 22, title, "l")]
    for tick_s, words in _ticks(start_s, start_s + span_s):
        x = _LEFT + (tick_s - start_s) * per_s
        shapes.append(_Bar(x, _TOP - 4, 1, bottom - _TOP + 4, _FAINT))
        shapes.append(_Words(x, bottom + 14, words, "m"))
    for place, track in enumerate(tracks):
        shapes.append(_Words(_LEFT - 10, _TOP + _ROW * (place + 0.5), f"track {track}", "r"))
    if not tracks:
        shapes.append(_Words(_WIDTH / 2, _TOP + _ROW / 2, "no face", "m"))
    for stretch in stretches:
        x, w = (
            _LEFT + (stretch.start_s - start_s) * per_s,
            (stretch.end_s - stretch.start_s) * per_s,
        )
        y = _TOP + _ROW * tracks.index(stretch.track) + (_ROW - _BAR) / 2
        name = names[stretch.expression]
        told = f"track {stretch.track}: {name}, {stretch.start_s:.2f}–{stretch.end_s:.2f} s"
        shapes.append(_Bar(x, y, w, _BAR, _colour(stretch.expression), told))
    shapes += _legend(names, bottom + 44)
    return shapes, bottom + 44 + _LEGEND


def _legend(names: Mapping[str, str], y: float) -> Iterator[_Bar | _Words]:
    for place, (label, name) in enumerate(names.items()):
        x = _LEFT + place * (_WIDTH - _LEFT) / max(6, len(names))
        yield _Bar(x, y - 7, 14, 14, _colour(label))
        yield _Words(x + 20, y, name, "l")


def round_step_s(span_s: float, most: int = 10) -> float:
    """Return the shortest round time of which no more than ``most`` go into a span, in seconds."""
    step_s = next((step for step in _STEPS_S if span_s / step <= most), _STEPS_S[-1])
    # Times that somebody shifted, or a clock that jumped: by days, then by years.
    while span_s / step_s > most:
        step_s *= 2
    return step_s


def _ticks(start_s: float, end_s: float) -> Iterator[tuple[float, str]]:
    """About ten round times, written as seconds, as minutes and seconds, or with hours."""
    step_s = round_step_s(end_s - start_s)
    first = math.ceil(start_s / step_s)
    for number in range(first, math.floor(end_s / step_s) + 1):
        time_s = number * step_s
        minutes, seconds = divmod(time_s, 60)
        seconds_text = f"{seconds:02.0f}" if step_s >= 1 else f"{seconds:04.1f}"
        if end_s < 120:
            yield time_s, f"{time_s:g} s"
        elif end_s < _LONG_S:
            yield time_s, f"{minutes:.0f}:{seconds_text}"
        else:
            yield time_s, f"{minutes // 60:.0f}:{minutes % 60:02.0f}:{seconds_text}"


def _colour(label: str) -> str:
    colour = COLOURS.get(canonical(label) or "")
    return "#{:02x}{:02x}{:02x}".format(*colour) if colour else _OTHER
