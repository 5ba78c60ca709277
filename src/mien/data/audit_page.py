"""An audit as one HTML page with pictures that needs nothing else: no script, nothing loaded, so it can be kept and sent."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from mien.data.audit import Audit, Finding
from mien.data.dataset import SPLITS, Dataset
from mien.data.published import class_counts
from mien.data.row_names import row_name
from mien.labels import FERPLUS, FERPLUS_VOTES

__all__ = ["NUM_GROUPS", "audit_page"]

NUM_GROUPS = 24
"""How many examples a section shows, spread evenly over all."""

_MOST_IN_GROUP = 8
_MOST_VOTES = 3
_SHOW_VOTES = ("conflicting_votes", "not_a_face", "ties", "no_majority")
_SHOWN_PX = 72
_STYLE = f"""
body{{font:15px/1.5 system-ui,sans-serif;color:#1f2933;margin:2em auto;max-width:1120px;padding:0 1.5em}}
h1{{font-size:1.6em;margin-bottom:.2em}}h2{{font-size:1.15em;margin:2.2em 0 .3em}}p{{margin:.3em 0;max-width:52em}}
table{{border-collapse:collapse;margin:.8em 0}}
td,th{{padding:.3em .9em .3em 0;text-align:left;vertical-align:top;border-bottom:1px solid #d9dee4}}
th{{font-weight:600}}td.n,th.n{{text-align:right;font-variant-numeric:tabular-nums}}
.quiet{{color:#67727e}}.notable td:first-child{{box-shadow:inset 4px 0 #c2410c}}td:first-child{{padding-left:.7em}}
.groups{{display:flex;flex-wrap:wrap;gap:.7em;margin:.8em 0}}
.group{{display:flex;gap:.35em;padding:.45em;border:1px solid #d9dee4;border-radius:6px}}
figure{{margin:0;width:{_SHOWN_PX + 14}px;font-size:10.5px;line-height:1.3;text-align:center;overflow-wrap:anywhere}}
img{{width:{_SHOWN_PX}px;height:{_SHOWN_PX}px;image-rendering:pixelated;border-radius:3px;display:block;margin:0 auto 3px}}
.heat td{{text-align:right;padding:.3em .7em;border:0;min-width:3.2em}}.heat th{{padding:.3em .7em;border:0}}
code{{background:#f1f4f7;padding:.1em .35em;border-radius:3px}}
"""


def audit_page(dataset: Dataset, found: Audit, title: str) -> str:
    """Return the page.

    It shows pictures of the data set, which may be pictures of people: keep it where the data may be kept.

    Args:
        dataset: The data that was looked at.
        found: What was found.
        title: What the data is called.
    """
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Audit of {html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>Audit of {html.escape(title)}</h1>"
        f'<p class="quiet">{len(dataset):,} pictures of {dataset.images.shape[2]} × {dataset.images.shape[1]} px · '
        f"layout {html.escape(dataset.layout)} · content <code>{dataset.content_hash[:16]}</code></p>",
        _summary(found.findings),
        _classes(dataset),
    ]
    if found.agreement is not None:
        parts.append(_agreement(dataset, found.agreement))
    parts += [_section(dataset, found, one) for one in found.findings if one.groups]
    return "\n".join([*parts, "</html>\n"])


def _summary(findings: Sequence[Finding]) -> str:
    rows = "".join(
        f'<tr class="{"notable" if one.is_notable else "quiet"}"><td>{_linked(one)}'
        f'<td class="n">{one.count:,}<td>{html.escape(one.says)}'
        for one in findings
    )
    return f'<table><tr><th>looked for<th class="n">count<th>what that means</tr>{rows}</table>'


def _linked(one: Finding) -> str:
    title = html.escape(one.title)
    return f'<a href="#{one.key}">{title}</a>' if one.groups else title


def _classes(dataset: Dataset) -> str:
    """Counts and shares of each class in each split, the share as a bar."""
    splits = [name for name in SPLITS if class_counts(dataset, name).any()]
    if not splits:
        return ""
    head = "".join(f'<th class="n">{name}<th>' for name in splits)
    rows = []
    for place, label in enumerate(dataset.label_names):
        cells = [f"<tr><td>{html.escape(label)}"]
        for name in splits:
            counts = class_counts(dataset, name)
            share = counts[place] / counts.sum()
            bar = f'<div style="height:.7em;margin-top:.4em;width:{share * 22:.2f}em;background:#2f6f9f"></div>'
            cells.append(f'<td class="n">{counts[place]:,}<td title="{100 * share:.1f} %">{bar}')
        rows.append("".join(cells))
    return f"<h2>Classes</h2><table><tr><th>class{head}</tr>{''.join(rows)}</table>"


def _agreement(dataset: Dataset, counts: NDArray[np.int64]) -> str:
    """Rows are labels, columns the expression that the votes chose; colour is the share of the row."""
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    head = "".join(f"<th>{html.escape(name)}" for name in FERPLUS.labels)
    rows = []
    for label, row, part in zip(dataset.label_names, counts, shares, strict=True):
        cells = "".join(
            f'<td title="{100 * share:.1f} % of {html.escape(label)}" style="background:rgba(47,111,159,{share:.2f});'
            f'color:{"white" if share > 0.55 else "inherit"}">{count:,}'
            for count, share in zip(row.tolist(), part.tolist(), strict=True)
        )
        rows.append(f"<tr><th>{html.escape(label)}{cells}")
    return (
        "<h2>Labels against FER+</h2><p>Rows: the data's label. Columns: the expression with more than half of the "
        f'FER+ votes. Colour: the share of the row.</p><table class="heat"><tr><th>{head}</tr>{"".join(rows)}</table>'
    )


def _section(dataset: Dataset, found: Audit, one: Finding) -> str:
    places = np.unique(np.linspace(0, len(one.groups) - 1, NUM_GROUPS).round().astype(int))
    shown = [one.groups[place] for place in places]
    if len(shown) < len(one.groups):
        shows = f' <span class="quiet">{len(shown)} of {len(one.groups):,} are shown.</span>'
    else:
        shows = ""
    groups = "".join(
        f'<div class="group">{_group(dataset, found, one, group)}</div>' for group in shown
    )
    return (
        f'<h2 id="{one.key}">{html.escape(one.title[0].upper() + one.title[1:])}</h2>'
        f'<p>{one.count:,} {html.escape(one.says)}{shows}</p><div class="groups">{groups}</div>'
    )


def _group(dataset: Dataset, found: Audit, one: Finding, group: Sequence[int]) -> str:
    figures = [_figure(dataset, row, one.key in _SHOW_VOTES) for row in group[:_MOST_IN_GROUP]]
    if len(group) > _MOST_IN_GROUP:
        figures.append(f"<figure>and {len(group) - _MOST_IN_GROUP} more</figure>")
    if one.key == "altered_across_splits":
        figures.append(f"<figure>{_how_altered(found, group[1])}</figure>")
    return "".join(figures)


def _how_altered(found: Audit, row: int) -> str:
    altered = found.duplicates.altered
    place = int(np.searchsorted(altered.rows, row))
    angle = int(altered.angles_deg[place])
    words = ["mirrored"] if altered.mirrored[place] else []
    return " and ".join(words + ([f"turned by about {abs(angle)}°"] if angle else []))


def _figure(dataset: Dataset, row: int, show_votes: bool) -> str:
    label = dataset.labels[row]
    name = PurePosixPath(row_name(dataset, row)).stem
    caption = [
        SPLITS[dataset.split[row]],
        "no label" if label < 0 else dataset.label_names[label],
        name,
        *(_votes(dataset, row) if show_votes else ()),
    ]
    buffer = io.BytesIO()
    PIL.Image.fromarray(dataset.images[row]).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><img alt="{html.escape(name)}" src="data:image/png;base64,{data}">'
        f"{'<br>'.join(html.escape(words) for words in caption)}</figure>"
    )


def _votes(dataset: Dataset, row: int) -> list[str]:
    """The votes of a picture, the most first."""
    assert dataset.votes is not None
    votes = dataset.votes[row]
    order = np.argsort(-votes.astype(int), kind="stable")[:_MOST_VOTES]
    return [f"{votes[place]} {FERPLUS_VOTES.labels[place]}" for place in order if votes[place]]
