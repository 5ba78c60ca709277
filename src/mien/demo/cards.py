"""Faces as HTML: a small picture of each, its answer, a bar for every expression, what makes it hard to see."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np

from mien.demo.texts import say
from mien.labels import canonical, display_name
from mien.recognition.draw import COLOURS
from mien.types import Box, Face, Image

__all__ = ["as_data_url", "colour_of", "face_card", "face_cards", "message", "percent"]

_OTHER_COLOUR = "#999999"
_ORDER = (
    "happiness",
    "surprise",
    "neutral",
    "sadness",
    "anger",
    "fear",
    "disgust",
    "contempt",
)
"""Of the bars; labels of another kind come last, in the model's order."""
_PORTRAIT_PX = 72
_MARGIN = 0.15
"""So much of a box is shown around it."""


def face_cards(image: Image, faces: Sequence[Face], lang: str) -> str:
    """Return all faces of a picture, in their order.

    Args:
        image: uint8 (H, W, 3) RGB, for the small pictures.
        faces: With their boxes.
        lang: ``"en"`` or ``"ko"``.
    """
    cards = (
        face_card(
            say("face", lang, number=number),
            face.answer,
            face.probabilities,
            lang,
            portrait=_portrait(image, face.box),
            flags=face.quality.flags if face.quality else (),
        )
        for number, face in enumerate(faces, start=1)
    )
    return f'<div class="mien-faces">{"".join(cards)}</div>'


def face_card(
    title: str,
    answer: str,
    probabilities: Mapping[str, float],
    lang: str,
    *,
    portrait: str = "",
    flags: Iterable[str] = (),
) -> str:
    """Return one face.

    Args:
        title: What it is called.
        answer: Its expression, or ``"unsure"``.
        probabilities: Label -> probability. The bars have one order, whatever the model's, so that cards can be compared.
        lang: ``"en"`` or ``"ko"``.
        portrait: Address of its picture; none is shown if empty.
        flags: What makes its answer less to be trusted.
    """
    best = max(probabilities, key=lambda label: probabilities[label])
    sure = percent(probabilities[best])
    if answer == "unsure":
        name = display_name(best, lang)
        sure = say("face.unsure", lang, expression=name, percent=sure)
    picture = f'<img src="{portrait}" alt="" width="{_PORTRAIT_PX}">' if portrait else ""
    chips = "".join(f"<span>{html.escape(say(f'flag.{flag}', lang))}</span>" for flag in flags)
    if chips:
        chips = f'<p class="mien-flags">{html.escape(say("flags", lang))} {chips}</p>'
    ordered = sorted(probabilities, key=_place)
    bars = "".join(_bar(label, probabilities[label], label == best, lang) for label in ordered)
    return (
        f'<section class="mien-face"><header>{picture}<div><small>{html.escape(title)}</small>'
        f"<strong>{html.escape(display_name(answer, lang))}</strong> <span>{html.escape(sure)}</span></div></header>"
        f"{chips}<ul>{bars}</ul></section>"
    )


def message(text: str, kind: str = "hint") -> str:
    """Return a sentence to the user; ``kind`` is ``"hint"``, ``"summary"`` or ``"refused"``."""
    role = ' role="alert"' if kind == "refused" else ""
    return f'<p class="mien-{kind}"{role}>{html.escape(text)}</p>'


def percent(share: float) -> str:
    """Return a share of 0 to 1 as people read it."""
    return f"{share:.0%}".replace("%", " %")


def colour_of(label: str) -> str:
    """Return an expression's colour, the one in which its frame is drawn."""
    rgb = COLOURS.get(canonical(label) or "")
    return "#{:02x}{:02x}{:02x}".format(*rgb) if rgb else _OTHER_COLOUR


def as_data_url(image: Image) -> str:
    """Return a picture as an address that holds all of it, so that it need not lie on a disk."""
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85]
    )
    assert done, "OpenCV always encodes JPEG"
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _place(label: str) -> int:
    known = canonical(label)
    return _ORDER.index(known) if known in _ORDER else len(_ORDER)


def _bar(label: str, probability: float, is_best: bool, lang: str) -> str:
    name = html.escape(display_name(label, lang))
    best = ' class="is-best"' if is_best else ""
    fill = f'<i style="width:{100 * probability:.1f}%;background:{colour_of(label)}"></i>'
    return f"<li{best}><span>{name}</span><b>{fill}</b><span>{percent(probability)}</span></li>"


def _portrait(image: Image, box: Box | None) -> str:
    if box is None:
        return ""
    height, width = image.shape[:2]
    margin = round(_MARGIN * max(box.w, box.h))
    left, top = max(0, box.x - margin), max(0, box.y - margin)
    right, bottom = min(width, box.x + box.w + margin), min(height, box.y + box.h + margin)
    part = image[top:bottom, left:right]
    scale = 2 * _PORTRAIT_PX / max(part.shape[:2])  # twice the pixels, for fine screens
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    return as_data_url(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8))
