import base64
import re

import cv2
import numpy as np

from mien.demo.cards import as_data_url, colour_of, face_card, face_cards, message, percent
from mien.types import Box, Face, Quality


def bars(card):
    """Name, width in percent, shown percent of each bar, from top to bottom."""
    return re.findall(
        r"<span>([^<]+)</span><b><i style=\"width:([\d.]+)%[^>]*></i></b><span>([^<]+)</span>", card
    )


def decoded(url):
    kind, data = url.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)


def test_each_bar_is_as_long_as_its_expression_is_probable():
    card = face_card("Face 1", "happy", {"neutral": 0.104, "happy": 0.896}, "en")
    assert bars(card) == [("happy", "89.6", "90 %"), ("neutral", "10.4", "10 %")]
    assert "<strong>happy</strong> <span>90 %</span>" in card


def test_bars_stand_in_one_order_whatever_the_model_s():
    ours = {"anger": 0.2, "happiness": 0.5, "contempt": 0.1, "own": 0.2}
    theirs = {"happy": 0.5, "own": 0.2, "contempt": 0.1, "angry": 0.2}
    cards = [face_card("", "happy", probs, "ko") for probs in (ours, theirs)]
    assert [name for name, _, _ in bars(cards[0])] == ["행복", "분노", "경멸", "own"]
    assert bars(cards[0]) == bars(cards[1])


def test_an_unsure_answer_says_what_comes_closest():
    probs = {"fear": 0.4, "sadness": 0.35, "anger": 0.25}
    assert "<strong>unsure</strong> <span>most likely afraid, 40 %</span>" in face_card(
        "Face 1", "unsure", probs, "en"
    )
    assert "<strong>불확실</strong>" in face_card("얼굴 1", "unsure", probs, "ko")


def test_flags_say_what_to_mistrust():
    card = face_card("Face 1", "sad", {"sad": 1.0}, "en", flags=("small", "dark"))
    assert "trust it less: <span>small</span><span>dark</span>" in card
    assert "<span>흐림</span>" in face_card("", "sad", {"sad": 1.0}, "ko", flags=("blurred",))
    assert "mien-flags" not in face_card("Face 1", "sad", {"sad": 1.0}, "en")


def test_each_card_has_the_face_s_own_picture():
    image = np.zeros((100, 200, 3), np.uint8)
    image[10:50, 150:190] = (250, 10, 10)
    quality = Quality(face_px=40, sharpness=900.0, brightness=90.0, flags=("small",))
    box = Box(150, 10, 40, 40)
    faces = [Face("sad", 1.0, {"sad": 1.0}, box, quality=quality), Face("sad", 1.0, {"sad": 1.0})]
    cards = face_cards(image, faces, "en")
    (url,) = re.findall(r'<img src="([^"]+)"', cards)  # the second has no place in the picture
    blue, green, red = decoded(url).mean(axis=(0, 1))
    assert red > 120  # the box fills most of its picture, which is black around it
    assert max(blue, green) < 40
    assert [cards.count(f"Face {number}<") for number in (1, 2, 3)] == [1, 1, 0]
    assert cards.count("<span>small</span>") == 1


def test_a_face_at_the_edge_keeps_what_there_is():
    image = np.full((40, 30, 3), 90, np.uint8)
    cards = face_cards(image, [Face("sad", 1.0, {"sad": 1.0}, Box(0, 0, 30, 40))], "en")
    assert decoded(re.findall(r'<img src="([^"]+)"', cards)[0]).shape[:2] == (144, 108)


def test_text_from_outside_is_no_markup():
    bad = "<script>alert(1)</script>"
    assert "<script" not in face_card(bad, bad, {bad: 1.0}, "en") + message(bad)


def test_a_refusal_is_announced_to_screen_readers():
    assert message("No.", "refused") == '<p class="mien-refused" role="alert">No.</p>'
    assert 'role="alert"' not in message("Yes.")


def test_a_picture_becomes_an_address_that_holds_it():
    image = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    np.testing.assert_allclose(
        decoded(as_data_url(image)).mean(axis=(0, 1)), (50, 100, 200), atol=4
    )


def test_colours_are_those_of_the_frames():
    assert colour_of("happy") == colour_of("happiness") == "#f0e442"
    assert colour_of("own") == "#999999"


def test_percent():
    assert [percent(share) for share in (0, 0.126, 1)] == ["0 %", "13 %", "100 %"]
