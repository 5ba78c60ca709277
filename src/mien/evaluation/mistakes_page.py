"""A sheet of mistakes as one HTML page with the faces inside it, to filter by doubt and by label."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.evaluation.mistakes import DOUBTS, Mistake, Mistakes
from mien.evaluation.page import html_page

__all__ = ["mistakes_html"]

_STYLE = """
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.2rem, 1fr)); gap: .9rem; }
figure { margin: 0; } figure img { width: 100%; image-rendering: pixelated; border: 2px solid var(--vermilion);
  border-radius: .3rem; display: block; } figure.doubt img { border: 4px double var(--purple); }
figcaption { font-size: .82rem; line-height: 1.35; margin-top: .25rem; overflow-wrap: anywhere; }
figcaption b { color: var(--vermilion); } .doubt b { color: var(--purple); } .why { color: var(--purple); }
table { border-collapse: collapse; margin: .6rem 0; } td, th { padding: .2rem .8rem .2rem 0; text-align: left;
  border-bottom: 1px solid var(--line); vertical-align: top; } td.n { text-align: right;
  font-variant-numeric: tabular-nums; }
"""

_SCRIPT = """
const form = document.forms[0], cards = [...document.querySelectorAll('figure')];
function show() {
  const truth = form.truth.value, answer = form.answer.value, doubt = form.doubt.value;
  let n = 0;
  for (const card of cards) {
    const why = card.dataset.doubts.split('|').filter(Boolean);
    const fits = (!truth || card.dataset.truth === truth) && (!answer || card.dataset.answer === answer) &&
      (!doubt || (doubt === 'none' ? !why.length : doubt === 'any' ? why.length : why.includes(doubt)));
    card.hidden = !fits; n += fits;
  }
  document.getElementById('shown').textContent = n + ' of ' + cards.length + ' shown';
}
form.addEventListener('input', show); form.addEventListener('reset', () => setTimeout(show)); show();
"""


def mistakes_html(
    mistakes: Mistakes,
    shown: Sequence[Mistake],
    images: NDArray[np.uint8],
    title: str,
    which: str = "",
) -> str:
    """Return the page.

    Args:
        mistakes: All of them, for the counts.
        shown: Those to show.
        images: uint8 (n, H, W), one for each that is shown.
        title: Heading and title of the window.
        which: Which of the mistakes were asked for, as in " whose label is in doubt"; empty for all.
    """
    share = len(mistakes.found) / mistakes.n
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{len(mistakes.found):,} mistakes on {mistakes.n:,} pictures ({share:.1%}). The {len(shown):,} most "
        f"confident{which} are shown. Of all mistakes, {mistakes.doubtful:,} have a label that something speaks against:</p>",
        _doubts_table(mistakes),
        _form(shown),
        '<div class="sheet">',
        *(_card(one, image) for one, image in zip(shown, images, strict=True)),
        "</div>",
    ]
    return html_page(title, "\n".join(parts), _STYLE, _SCRIPT)


def _doubts_table(mistakes: Mistakes) -> str:
    rows = "".join(
        f'<tr><td class="n">{mistakes.counts.get(doubt, 0):,}<td>{escape(doubt)}<td>{escape(meaning)}'
        for doubt, meaning in DOUBTS.items()
    )
    return f"<table><tr><th>mistakes<th>doubt<th>meaning{rows}</table>"


def _form(shown: Sequence[Mistake]) -> str:
    doubts = {"any": "in doubt", "none": "not in doubt", **{name: name for name in DOUBTS}}
    truths = {one.truth: one.truth for one in shown}
    answers = {one.answer: one.answer for one in shown}
    return (
        f"<form>{_select('truth', 'label', truths)}{_select('answer', 'answer', answers)}"
        f"{_select('doubt', 'label is', doubts)}<button type=reset>all</button>"
        '<span id="shown" class="soft" aria-live="polite"></span></form>'
    )


def _select(name: str, title: str, options: dict[str, str]) -> str:
    choices = "".join(
        f'<option value="{escape(value)}">{escape(text)}' for value, text in options.items()
    )
    return f'<label>{title}<select name="{name}"><option value="">any{choices}</select></label>'


def _card(mistake: Mistake, image: NDArray[np.uint8]) -> str:
    why = "".join(
        f'<br><span class="why">? {escape(doubt)}: {escape(found)}</span>'
        for doubt, found in mistake.doubts.items()
    )
    name, truth, answer = (escape(text) for text in (mistake.name, mistake.truth, mistake.answer))
    return (
        f'<figure data-truth="{truth}" data-answer="{answer}" data-doubts="{escape("|".join(mistake.doubts))}"'
        f'{" class=doubt" if mistake.doubts else ""}><img src="{_as_uri(image)}" alt="{name}: {truth}, taken for {answer}">'
        f"<figcaption><b>{truth} → {answer}</b> {mistake.confidence:.0%}<br>"
        f'<span class="soft">{name} · label {mistake.truth_prob:.0%}</span>{why}</figcaption></figure>'
    )


def _as_uri(image: NDArray[np.uint8]) -> str:
    _, png = cv2.imencode(".png", image)
    return f"data:image/png;base64,{base64.b64encode(png.tobytes()).decode()}"
