"""Expressions over time, drawn as HTML and SVG that need no script and fit a phone."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import accumulate

from mien.demo.cards import colour_of, message, percent
from mien.demo.texts import say
from mien.labels import display_name
from mien.recognition.timeline import Timeline
from mien.recognition.timeline_picture import round_step_s

__all__ = ["Moment", "progress_bar", "running_chart", "timeline_chart"]

Moment = tuple[float, Mapping[str, float]]
"""A time in seconds and the probabilities of that time; they sum to 1."""

_MOST_TRACKS = 12
_MOST_TICKS = 6


def running_chart(moments: Sequence[Moment], now_s: float, span_s: float, lang: str) -> str:
    """Return the last seconds of one face: areas one upon the other, as thick as each expression is probable.

    Args:
        moments: In the order of their times, all with the same labels.
        now_s: Stands at the right edge.
        span_s: So many seconds are shown.
        lang: ``"en"`` or ``"ko"``.
    """
    areas = []
    if len(moments) > 1:
        across = [100 * (1 - (now_s - time_s) / span_s) for time_s, _ in moments]
        # Down each moment: where each expression's area ends, in percent of the height.
        edges = [[0.0, *accumulate(100 * p for p in probs.values())] for _, probs in moments]
        for place, label in enumerate(moments[0][1]):
            upper = [f"{x:.2f},{edge[place]:.1f}" for x, edge in zip(across, edges, strict=True)]
            lower = [
                f"{x:.2f},{edge[place + 1]:.1f}" for x, edge in zip(across, edges, strict=True)
            ]
            points = " ".join([*upper, *reversed(lower)])
            title = html.escape(display_name(label, lang))
            areas.append(
                f'<polygon points="{points}" fill="{colour_of(label)}"><title>{title}</title></polygon>'
            )
    ago, now = say("live.ago", lang, seconds=f"{span_s:g}"), say("live.now", lang)
    words = html.escape(say("live.chart", lang, seconds=f"{span_s:g}"))
    return (
        f'<figure class="mien-chart"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{words}">{"".join(areas)}</svg>'
        f"<figcaption><span>{html.escape(ago)}</span><span>{html.escape(now)}</span></figcaption></figure>"
    )


def timeline_chart(timeline: Timeline, lang: str) -> str:
    """Return who showed what from when to when: a line a face, a colour an expression, and for how long in all."""
    seconds = timeline.seconds()
    if not seconds:
        return message(say("timeline.none", lang))
    longest = sorted(seconds, key=lambda track: -sum(seconds[track].values()))[:_MOST_TRACKS]
    end_s = timeline.end_s or 1.0
    stretches = timeline.stretches()
    lines = []
    for track in sorted(longest):
        parts = "".join(
            _part(stretch.expression, stretch.start_s, stretch.end_s, end_s, lang)
            for stretch in stretches
            if stretch.track == track
        )
        title = html.escape(say("face", lang, number=track))
        lines.append(f"<li><span>{title}</span><b>{parts}</b>{_totals(seconds[track], lang)}</li>")
    more = ""
    if len(longest) < len(seconds):
        more = message(say("timeline.more", lang, shown=len(longest), all=len(seconds)))
    return f'<div class="mien-timeline">{_axis(end_s, lang)}<ul>{"".join(lines)}</ul></div>{more}'


def progress_bar(share: float, text: str) -> str:
    """Return how far work has come: ``share`` of it, 0 to 1, and a sentence."""
    return (
        f'<div class="mien-progress" role="progressbar" aria-valuenow="{100 * share:.0f}">'
        f'<b><i style="width:{100 * share:.1f}%"></i></b><span>{html.escape(text)}</span></div>'
    )


def _part(label: str, start_s: float, end_s: float, all_s: float, lang: str) -> str:
    left, width = 100 * start_s / all_s, 100 * (end_s - start_s) / all_s
    title = f"{display_name(label, lang)}, {start_s:.2f}–{end_s:.2f} s"
    place = f"left:{left:.3f}%;width:{width:.3f}%;background:{colour_of(label)}"
    return f'<i style="{place}" title="{html.escape(title)}"></i>'


def _totals(shown: Mapping[str, float], lang: str) -> str:
    """How long which expression, in words: the colours alone are not to be relied on."""
    whole_s = sum(shown.values()) or 1.0
    words = (
        f'<em><i style="background:{colour_of(label)}"></i>{html.escape(display_name(label, lang))} '
        f"{html.escape(say('timeline.seconds', lang, seconds=f'{total_s:.1f}'))} ({percent(total_s / whole_s)})</em>"
        for label, total_s in shown.items()
    )
    return f"<p>{''.join(words)}</p>"


def _axis(end_s: float, lang: str) -> str:
    step_s = round_step_s(end_s, _MOST_TICKS)
    ticks = []
    for number in range(int(end_s / step_s) + 1):
        time_s = number * step_s
        minutes, rest_s = divmod(time_s, 60)
        words = (
            say("timeline.seconds", lang, seconds=f"{time_s:g}")
            if end_s < 120
            else f"{minutes:.0f}:{rest_s:02.0f}"
        )
        last = ' class="is-last"' if time_s > 0.95 * end_s else ""
        place = f"left:{100 * time_s / end_s:.2f}%"
        ticks.append(f'<span{last} style="{place}">{html.escape(words)}</span>')
    return f"<div><b>{''.join(ticks)}</b></div>"
