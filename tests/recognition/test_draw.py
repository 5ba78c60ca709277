import dataclasses

import numpy as np
import PIL.ImageFont
import pytest

from mien.errors import InputError, UnknownNameError
from mien.labels import FERPLUS, canonical
from mien.recognition import draw
from mien.types import Box, Face

GROUND = 40


def picture(width=300, height=200):
    return np.full((height, width, 3), GROUND, np.uint8)


def face(expression="happiness", box=(100, 80, 60, 60), confidence=0.87):
    return Face(expression, confidence, {expression: confidence}, box and Box(*box), 1.0)


@pytest.fixture
def without_hangul(monkeypatch):
    monkeypatch.setattr(draw, "hangul_font", lambda: None)
    draw._say_that_hangul_is_missing.cache_clear()


def test_a_face_is_framed_in_the_colour_of_its_expression():
    drawn = draw.annotate(picture(), [face()])
    assert tuple(drawn[110, 101]) == draw.COLOURS["happiness"]
    assert tuple(drawn[110, 158]) == draw.COLOURS["happiness"]
    np.testing.assert_array_equal(drawn[85:135, 105:155], GROUND)  # the face itself stays free
    assert tuple(drawn[110, 100]) == (0, 0, 0)  # the rim


def test_the_name_stands_above_the_frame():
    drawn = draw.annotate(picture(), [face()])
    above = drawn[60:80, 100:]
    assert (above == draw.COLOURS["happiness"]).all(axis=2).sum() > 200
    np.testing.assert_array_equal(drawn[:55], GROUND)


def test_the_given_picture_is_not_drawn_on():
    image = picture()
    draw.annotate(image, [face()])
    np.testing.assert_array_equal(image, GROUND)


def test_without_faces_the_picture_stays_as_it_is():
    np.testing.assert_array_equal(draw.annotate(picture(), []), picture())


def test_a_grey_picture_gets_colours():
    drawn = draw.annotate(np.full((200, 300), GROUND, np.uint8), [face()])
    assert tuple(drawn[110, 101]) == draw.COLOURS["happiness"]


def test_a_face_without_a_box_is_left_out():
    np.testing.assert_array_equal(draw.annotate(picture(), [face(box=None)]), picture())


@pytest.mark.parametrize("size", [(300, 200), (1200, 900), (120, 60), (64, 64), (48, 48)])
@pytest.mark.parametrize("place", ["top left", "bottom right", "whole"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_labels_lie_inside_wherever_the_face_is(monkeypatch, size, place, lang):
    width, height = size
    box = {
        "top left": (0, 0, 20, 20),
        "bottom right": (width - 20, height - 20, 20, 20),
        "whole": (0, 0, width, height),
    }[place]
    texts, plates = [], []
    text, plate = draw.PIL.ImageDraw.ImageDraw.text, draw.PIL.ImageDraw.ImageDraw.rectangle

    def remember_text(pen, at, words, **options):
        texts.append(pen.textbbox(at, words, font=options["font"]))
        text(pen, at, words, **options)

    def remember_plate(pen, corners, **options):
        if "fill" in options:
            plates.append(corners)
        plate(pen, corners, **options)

    monkeypatch.setattr(draw.PIL.ImageDraw.ImageDraw, "text", remember_text)
    monkeypatch.setattr(draw.PIL.ImageDraw.ImageDraw, "rectangle", remember_plate)
    draw.annotate(
        np.zeros((height, width, 3), np.uint8),
        [face("contempt", box)],
        lang,
    )
    assert len(texts) == len(plates)
    assert texts or width < 100
    for left, top, right, bottom in [*texts, *plates]:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_a_picture_too_small_for_words_gets_the_frame_alone():
    drawn = draw.annotate(np.full((12, 12, 3), GROUND, np.uint8), [face(box=(1, 1, 10, 10))])
    assert (drawn == draw.COLOURS["happiness"]).all(axis=2).any()


def test_text_grows_with_the_picture():
    small, large = (
        draw.annotate(picture(w, w), [face("fear", (w // 3, w // 2, w // 4, w // 4))])
        for w in (240, 960)
    )
    areas = [(drawn == draw.COLOURS["fear"]).all(axis=2).sum() for drawn in (small, large)]
    assert areas[1] > 8 * areas[0]


def test_every_expression_has_a_colour_of_its_own():
    assert {canonical(label) for label in FERPLUS.labels} == set(draw.COLOURS)
    assert len(set(draw.COLOURS.values())) == 8


def test_other_labels_are_drawn_in_grey():
    drawn = draw.annotate(picture(), [face("bored")])
    assert tuple(drawn[110, 101]) == (153, 153, 153)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_an_unsure_answer_does_not_give_its_expression_away(lang):
    unsure = dataclasses.replace(face(), is_unsure=True)
    drawn = draw.annotate(picture(), [unsure], lang)
    assert not (drawn == draw.COLOURS["happiness"]).all(axis=2).any()
    np.testing.assert_array_equal(drawn, draw.annotate(picture(), [face("unsure")], lang))


@pytest.mark.parametrize("colour", draw.COLOURS.values(), ids=draw.COLOURS)
def test_names_stand_out_from_their_plate(colour):
    def luminance(rgb):  # WCAG 2.2, relative luminance
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(rgb) / 255
        ]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    ink = luminance((0, 0, 0) if draw._ink(colour) == "black" else (255, 255, 255))
    light, dark = sorted([luminance(colour), ink], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_korean_names_are_drawn_where_a_font_has_them():
    if draw.hangul_font() is None:
        pytest.skip("no font with Hangul here: apt install fonts-nanum")
    english, korean = (draw.annotate(picture(), [face()], lang) for lang in ("en", "ko"))
    assert (english != korean).any()


def test_a_font_with_hangul_has_hangul():
    path = draw.hangul_font()
    if path is None:
        pytest.skip("no font with Hangul here: apt install fonts-nanum")
    font = PIL.ImageFont.truetype(path, 20)
    missing, happy = font.getmask("\uffff"), font.getmask("행")
    assert bytes(missing) != bytes(happy)


@pytest.mark.usefixtures("without_hangul")
def test_without_such_a_font_english_is_drawn_and_said(caplog):
    drawn = draw.annotate(picture(), [face(), face("sadness", (20, 100, 50, 50))], "ko")
    np.testing.assert_array_equal(
        drawn, draw.annotate(picture(), [face(), face("sadness", (20, 100, 50, 50))])
    )
    draw.annotate(picture(), [face()], "ko")
    assert len(caplog.records) == 1
    assert "No font with Hangul was found, so English names are drawn" in caplog.text
    assert "apt install fonts-nanum" in caplog.text


def test_an_unknown_language_is_named():
    with pytest.raises(UnknownNameError, match="No language is called 'fr'"):
        draw.annotate(picture(), [face()], "fr")


def test_what_is_no_picture_is_refused():
    with pytest.raises(InputError, match="A picture is a uint8 array"):
        draw.annotate(np.zeros((9, 9, 3)), [])


def test_letters_that_a_font_here_has_are_drawn_with_it(monkeypatch):
    """Pillow's own font has no Greek accents, DejaVu has."""
    try:
        PIL.ImageFont.truetype("DejaVuSans.ttf", 12)
    except OSError:
        pytest.skip("DejaVu is not installed")
    monkeypatch.setattr(draw, "hangul_font", lambda: None)
    draw._font_for.cache_clear()
    assert draw.text_font("\u1f60\u2603", 12).getname()[0] == "DejaVu Sans"
    assert draw.text_font("plain", 12).getname() == PIL.ImageFont.load_default(12).getname()
    draw._font_for.cache_clear()


def test_letters_that_no_font_has_are_drawn_as_what_lacks():
    assert draw.text_font("\U0010fffd", 12).getname() == PIL.ImageFont.load_default(12).getname()
