"""Contact sheets: the faces are on it, at their places."""

import numpy as np
import pytest

from mien.data.contact_sheet import Strip, contact_sheet, sample_strips
from mien.errors import InputError


def test_faces_stand_in_rows_from_left_to_right():
    greys = [[10, 60, 110], [160, 210]]
    strips = [
        Strip(title=f"row {place}", images=[np.full((48, 48), grey, np.uint8) for grey in row])
        for place, row in enumerate(greys)
    ]
    sheet = contact_sheet(strips)
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    firsts = {grey: np.argwhere((sheet == grey).all(axis=2)) for row in greys for grey in row}
    assert all(len(places) == 72 * 72 for places in firsts.values())
    tops = {grey: tuple(places.min(axis=0)) for grey, places in firsts.items()}
    assert tops[10][0] == tops[60][0] == tops[110][0] < tops[160][0] == tops[210][0]
    assert tops[10][1] < tops[60][1] < tops[110][1]
    assert tops[10][1] == tops[160][1]


def test_a_title_is_drawn():
    face = [np.full((8, 8), 255, np.uint8)]
    plain, titled = (
        contact_sheet([Strip(title=title, note=title, images=face)]) for title in ("", "happy")
    )
    assert plain.min() == 255
    assert titled.min() < 120


def test_samples_come_from_their_class_and_split(drawn):
    strips = sample_strips(drawn, 2, np.random.default_rng(0))
    titles = [strip.title for strip in strips]
    assert titles[:7] == list(drawn.label_names)
    headings = [strip.heading for strip in strips if strip.heading]
    assert headings == [
        f"{name}: {(drawn.split == code).sum()} pictures"
        for code, name in enumerate(("train", "valid", "test"))
    ]
    split = 0
    for place, strip in enumerate(strips):
        split += place > 0 and bool(strip.heading)
        label = drawn.label_names.index(strip.title)
        rows = (drawn.split == split) & (drawn.labels == label)
        assert strip.note == str(rows.sum())
        assert len(strip.images) == min(2, rows.sum())
        known = {image.tobytes() for image in drawn.images[rows]}
        assert {image.tobytes() for image in strip.images} <= known


def test_nothing_to_show_and_far_too_much_are_said():
    with pytest.raises(InputError, match="A sheet of 0 faces was asked for; expected 1 to 5,000"):
        contact_sheet([])
