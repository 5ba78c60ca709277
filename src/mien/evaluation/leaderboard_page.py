"""The leaderboard as one HTML page: an interval plot in every table, to sort and filter, with nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mien.evaluation.leaderboard_entries import (
    FLAGS,
    Entry,
    grouped,
    is_sound,
    protocol_title,
    seed_entries,
    sort_entries,
)
from mien.evaluation.leaderboard_plot import Scale, axis, interval, sample
from mien.evaluation.leaderboard_studies import StudyLine, study_text
from mien.evaluation.page import html_page
from mien.evaluation.published import Seed

__all__ = ["leaderboard_html"]

_STYLE = """
table { border-collapse: collapse; width: 100%; margin-top: .4rem; table-layout: fixed; }
th, td { padding: .38rem .5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle; }
th { font-size: .82rem; font-weight: 600; color: var(--soft); white-space: nowrap; vertical-align: bottom; }
th button { border: 0; padding: 0; background: none; font-weight: 600; color: var(--soft); cursor: pointer; }
th button:hover { color: var(--ink); } th[aria-sort] button { color: var(--ink); }
th[aria-sort=ascending] button::after { content: " ▴"; } th[aria-sort=descending] button::after { content: " ▾"; }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.figure { font-weight: 650; } .range { color: var(--soft); font-size: .82rem; }
.name { width: 28%; overflow-wrap: anywhere; } .num { width: 11.5%; } .num.detail { width: 7%; } .views { width: 8%; }
.name small { color: var(--soft); display: block; line-height: 1.35; margin-top: .1rem; }
.plot { width: 26%; position: relative; } .plot > svg { position: absolute; left: 4%; top: 0; width: 92%; height: 100%; overflow: visible; }
th.plot > svg { font-size: .72rem; font-weight: 400; fill: var(--soft); } .scale { display: none; }
.tick { stroke: var(--line); } .theirs { stroke: var(--soft); fill: var(--soft); }
.ours { stroke: var(--blue); fill: var(--blue); } .doubt { stroke: var(--vermilion); fill: var(--paper); }
tr.own { background: var(--tint); } tr.own .name b { color: var(--blue); }
.chip { display: inline-block; font-size: .76rem; line-height: 1.2; padding: .12rem .42rem; margin: .08rem .1rem .08rem 0;
  border: 1px solid var(--line); border-radius: 1rem; white-space: nowrap; color: var(--soft); text-decoration: none; }
.chip.yes { border-color: var(--vermilion); color: var(--vermilion); } .key svg { width: 3.2rem; height: .9rem; vertical-align: -.1rem; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .88rem; margin-top: .6rem; color: var(--soft); }
.none { color: var(--soft); }
.how td { vertical-align: top; } .how td:nth-child(2), .how td:nth-child(3) { width: 24%; }
@media (max-width: 760px) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tbody, tr, td { display: block; width: auto !important; }
  .board tr { display: grid; grid-template-columns: 1fr auto; column-gap: .7rem; padding: .55rem .3rem; border-bottom: 1px solid var(--line); }
  .board td { border: 0; padding: .05rem 0; } .board .name { grid-column: 1; } .board .figure-cell { grid-column: 2; grid-row: 1; }
  .board .plot, .board .flags { grid-column: 1 / 3; } .board .plot { height: 1.9rem; } .scale { display: inline; } .board .detail { display: none; } .how tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .how td { border: 0; padding: .1rem 0; } form { position: static; }
}
"""

_SCRIPT = """
const form = document.forms[0], sections = [...document.querySelectorAll('section[data-protocol]')];
function show() {
  const words = form.words.value.toLowerCase().split(' ').filter(Boolean);
  let n = 0, all = 0;
  for (const section of sections) {
    let here = 0;
    for (const row of section.querySelectorAll('tbody tr')) {
      const is = row.dataset, fits = words.every(word => is.words.includes(word)) &&
        (!form.who.value || is.who === form.who.value) && (!form.sound.checked || is.sound === '1') &&
        (!form.single.checked || is.single === '1');
      row.hidden = !fits; here += fits; all += 1;
    }
    const chosen = !form.protocol.value || section.dataset.protocol === form.protocol.value;
    section.hidden = !chosen || !here; n += chosen ? here : 0;
  }
  document.getElementById('shown').textContent = n + ' of ' + all + ' figures';
}
function sort(key, down) {
  for (const table of document.querySelectorAll('table.board')) {
    const body = table.tBodies[0], rows = [...body.rows];
    const value = row => row.dataset[key];
    const number = key !== 'name';
    rows.sort((a, b) => {
      const x = value(a), y = value(b);
      if (number && (x === '' || y === '')) return (x === '') - (y === '');
      return (number ? x - y : x.localeCompare(y)) * (down ? -1 : 1);
    });
    body.append(...rows);
    for (const head of table.tHead.rows[0].cells) {
      if (head.dataset.key === key) head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
  }
}
let last = 'accuracy', down = true;
function toggle(key) { down = key === last ? !down : key !== 'name'; last = key; form.order.value = key; sort(key, down); }
for (const head of document.querySelectorAll('th[data-key] button'))
  head.addEventListener('click', () => toggle(head.parentElement.dataset.key));
form.order.addEventListener('input', () => { last = ''; toggle(form.order.value); });
form.addEventListener('input', show); form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('reset', () => setTimeout(() => { last = ''; toggle('accuracy'); show(); }));
sort('accuracy', true); show();
"""

_KEY = (
    ("ours", "measured by mien, with its rows and commands"),
    ("theirs", "published"),
    ("doubt", "published, and chosen on the split that it reports, or a leak is reported"),
)


def leaderboard_html(
    found: Sequence[Entry], seeds: Sequence[Seed], studies: Sequence[StudyLine] = ()
) -> str:
    """Return the page.

    Args:
        found: From `leaderboard_entries.entries`.
        seeds: The projects that mien starts from, for the table of theirs and ours.
        studies: From `leaderboard_studies.read_studies`.
    """
    groups = grouped(found)
    parts = [
        "<h1>Facial expressions: figures and what they are worth</h1>",
        "<p>One table a protocol: other pictures, or another truth for the same pictures, make another number. Lines are "
        "95 % intervals of what chance in the choice of pictures leaves. Nothing is ranked.</p>",
        _key(),
        _form(list(groups)),
        *(_section(protocol, group) for protocol, group in groups.items()),
        _seeds(seeds, found, studies),
    ]
    return html_page("mien leaderboard", "\n".join(parts), _STYLE, _SCRIPT)


def _key() -> str:
    signs = "".join(f"<span>{sample(kind)} {meaning}</span>" for kind, meaning in _KEY)
    return f'<div class="key">{signs}</div>'


def _form(protocols: Sequence[str]) -> str:
    options = "".join(f'<option value="{escape(one)}">{escape(one)}' for one in protocols)
    orders = "".join(
        f'<option value="{key}">{name}'
        for key, name in (
            ("accuracy", "accuracy"),
            ("f1", "macro-F1"),
            ("year", "year"),
            ("name", "name"),
        )
    )
    return (
        '<form><label>find <input name="words" type="search" size="18" placeholder="name, views, year"></label>'
        f'<label>protocol <select name="protocol"><option value="">all{options}</select></label>'
        '<label>whose <select name="who"><option value="">all<option value="ours">ours<option value="theirs">published'
        f'</select></label><label>order <select name="order">{orders}</select></label>'
        '<label><input type="checkbox" name="sound"> not known to be chosen on their split, no leak reported</label>'
        '<label><input type="checkbox" name="single"> one network, no extra data</label>'
        '<button type="reset">reset</button><span id="shown" class="soft" aria-live="polite"></span></form>'
    )


def _section(protocol: str, group: Sequence[Entry]) -> str:
    scale = Scale.over(group)
    heads = (
        _head("model", "name", "name"),
        f'<th class="plot" scope="col" aria-label="95 % interval">{axis(scale)}</th>',
        _head("%, with 95 %", "accuracy", "num"),
        _head("macro-F1", "f1", "num detail"),
        _head("n", "n", "num detail"),
        '<th class="detail views" scope="col">views</th>',
        '<th scope="col">flags</th>',
    )
    rows = "\n".join(_row(one, scale) for one in sort_entries(group))
    return (
        f'<section data-protocol="{escape(protocol)}"><h2>{escape(protocol)}</h2>'
        f'<p class="soft">{escape(protocol_title(protocol))}<span class="scale"> · plot from {scale.first} to '
        f"{scale.last} %</span></p>"
        f'<table class="board"><thead><tr>{"".join(heads)}</tr></thead><tbody>\n{rows}\n</tbody></table></section>'
    )


def _head(title: str, key: str, kind: str) -> str:
    return f'<th class="{kind}" scope="col" data-key="{key}"><button type="button">{title}</button></th>'


def _row(one: Entry, scale: Scale) -> str:
    kind = "ours" if one.is_ours else "theirs" if is_sound(one) else "doubt"
    data = {
        "name": one.name.casefold(),
        "accuracy": "" if one.accuracy is None else f"{one.accuracy:.5f}",
        "f1": "" if one.macro_f1 is None else f"{one.macro_f1:.5f}",
        "year": "" if one.year is None else str(one.year),
        "n": "" if one.n is None else str(one.n),
        "who": "ours" if one.is_ours else "theirs",
        "sound": str(int(is_sound(one))),
        "single": str(int(not one.ensemble and not one.external_data)),
        "words": f"{one.name} {one.views or ''} {one.year or ''} {one.note or ''}".casefold(),
    }
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    cells = (
        f'<td class="name">{_name(one)}</td>',
        f'<td class="plot">{interval(one, kind, scale)}</td>',
        f'<td class="num figure-cell">{_figure(one)}</td>',
        f'<td class="num detail">{"" if one.macro_f1 is None else f"{100 * one.macro_f1:.1f}"}</td>',
        f'<td class="num detail">{"?" if one.n is None else f"{one.n:,}"}</td>',
        f'<td class="detail">{escape(one.views or "?")}</td>',
        f'<td class="flags">{_flags(one)}</td>',
    )
    return f"<tr{' class=own' if one.is_ours else ''} {attributes}>{''.join(cells)}</tr>"


def _name(one: Entry) -> str:
    name = f"<b>{escape(one.name)}</b>"
    if not one.is_ours and one.source is not None:
        name = f'<a href="{escape(one.source)}">{escape(one.name)}</a>'
    runs = f"mean of {one.runs} runs" if one.runs > 1 else ""
    command = one.source if one.is_ours else None
    said = [str(one.year or "year unknown"), runs, one.note or "", command or ""]
    if one.checked == "second hand":
        said.append("figure taken from others' tables")
    return f"{name}<small>{escape(' · '.join(part for part in said if part))}</small>"


def _figure(one: Entry) -> str:
    if one.accuracy is None:
        return "–"
    shown = one.as_written or f"{100 * one.accuracy:.2f}"
    spread = "" if one.spread is None else f" ± {100 * one.spread:.2f}"
    text = f'<span class="figure">{escape(shown)}</span>{spread}'
    if one.low is None or one.high is None:
        return f'{text}<br><span class="range">n unknown</span>'
    return f'{text}<br><span class="range">{100 * one.low:.1f} – {100 * one.high:.1f}</span>'


def _flags(one: Entry) -> str:
    chips = []
    for name, value in one.flags.items():
        title = FLAGS[name]
        if name == "leak" and value and one.leak_source is not None:
            chips.append(f'<a class="chip yes" href="{escape(one.leak_source)}">{title}</a>')
        elif value:
            chips.append(f'<span class="chip{" yes" if name in _WEIGHTY else ""}">{title}</span>')
        elif value is None and name != "leak":
            chips.append(f'<span class="chip">{title}?</span>')
    return "".join(chips)


_WEIGHTY = ("chosen_on_split", "leak")


def _seeds(seeds: Sequence[Seed], found: Sequence[Entry], studies: Sequence[StudyLine]) -> str:
    rows = []
    for seed in seeds:
        theirs = (
            "no figure given" if seed.figure is None else (seed.as_written or f"{seed.figure} %")
        )
        ours = "<br>".join(
            [
                f"{escape(one.name)}: {_figure(one)} on {escape(one.protocol + one.remark)}"
                for one in sort_entries(seed_entries(seed, found))
            ]
            + [escape(study_text(one)) for one in studies if one.name.startswith(seed.ours)]
        )
        name = escape(seed.name)
        if seed.source is not None:
            name = f'<a href="{escape(seed.source)}">{name}</a>'
        rows.append(
            f"<tr><td>{seed.number}. {name}<td>{theirs} on {escape(seed.protocol)}"
            f"<td>{ours or '<span class=none>not run at full length yet</span>'}<td>{escape(seed.how)}"
        )
    return (
        "<h2>The four projects that mien starts from</h2>"
        '<table class="how"><thead><tr><th>project<th>theirs<th>ours<th>how</thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
