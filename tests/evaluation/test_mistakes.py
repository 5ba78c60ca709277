"""Mistakes come surest first, and a label is doubted only where something in the data speaks against it."""

import hashlib
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from mien.data.dataset import Dataset
from mien.errors import InputError
from mien.evaluation.mistakes import find_mistakes
from mien.evaluation.mistakes_page import mistakes_html
from mien.evaluation.plots_mistakes import mistakes_sheet
from mien.evaluation.predictions import Predictions
from mien.labels import FER2013, FERPLUS, FERPLUS_VOTES

HAPPY, SAD = FER2013.labels.index("happy"), FER2013.labels.index("sad")


def votes(**counts):
    row = np.zeros(10, np.uint8)
    for name, count in counts.items():
        row[(*FERPLUS.labels, "unknown", "NF").index(name)] = count
    return row


@pytest.fixture
def data():
    """Six faces called sad; row 0 to train, the rest valid. Row 5 is row 0 again."""
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    images[4] = 77
    images[5] = images[0]
    return Dataset(
        images=images,
        labels=np.array([HAPPY, SAD, SAD, SAD, SAD, SAD]),
        label_names=FER2013.labels,
        split=np.array([0, 1, 1, 1, 1, 1], np.uint8),
        votes=np.stack(
            [
                votes(happiness=10),
                votes(happiness=7, sadness=3),
                votes(sadness=10),
                votes(NF=6, sadness=4),
                votes(sadness=10),
                votes(sadness=10),
            ]
        ),
        names=np.array([f"<{i}>.png" for i in range(6)]),
    )


@pytest.fixture
def predictions(data):
    """Rows 1 to 5: row 2 is right, the others are called happy, row 3 the most surely."""
    logits = np.zeros((5, 7), np.float32)
    logits[:, HAPPY] = [3, 0, 9, 2, 1]
    logits[1, SAD] = 5
    return Predictions(
        protocol="fer2013-publictest",
        model="mien-s",
        model_sha256=None,
        split="valid",
        views="none",
        data_hash=data.content_hash,
        pictures_hash=hashlib.sha256(data.images[1:].tobytes()).hexdigest(),
        image_size=8,
        labels=FER2013.labels,
        temperature=1.0,
        rows=np.arange(1, 6),
        targets=np.full(5, SAD),
        logits=logits,
    )


def test_mistakes_are_sorted_and_doubted_for_their_reasons(predictions, data):
    mistakes = find_mistakes(predictions, data)
    assert [one.row for one in mistakes.found] == [3, 1, 4, 5]
    assert [dict(one.doubts) for one in mistakes.found] == [
        {"not a face": "NF 6 of 10"},
        {"votes": "happiness 7, sadness 3"},
        {"blank": "grey 77"},
        {"copy": "happy"},
    ]
    assert (mistakes.n, mistakes.doubtful) == (5, 4)
    assert mistakes.confusions == {("sad", "happy"): 4}
    first = mistakes.found[1]
    assert first.confidence == pytest.approx(np.exp(3) / (np.exp(3) + 6))
    assert first.truth_prob == pytest.approx(1 / (np.exp(3) + 6))


def of_row_1(predictions, data, protocol, labels, truth):
    """Row 1 alone, answered with sadness, in labels of FER+."""
    logits = np.zeros((1, len(labels)), np.float32)
    logits[0, labels.index("sadness")] = 3
    return replace(
        predictions,
        protocol=protocol,
        labels=labels,
        rows=np.array([1]),
        pictures_hash=hashlib.sha256(data.images[1:2].tobytes()).hexdigest(),
        targets=np.array([labels.index(truth)]),
        logits=logits,
    )


def test_on_votes_fer2013_s_label_may_side_with_the_model(predictions, data):
    protocol = "ferplus-majority-publictest"
    on_votes = of_row_1(predictions, data, protocol, FERPLUS.labels, "happiness")
    (only,) = find_mistakes(on_votes, data).found
    assert (only.truth, only.answer, dict(only.doubts)) == (
        "happiness",
        "sadness",
        {"label": "sad"},
    )


def test_ten_columns_are_doubted_by_ten_columns(predictions, data):
    """Six of ten could not say what row 1 shows; of its copy most said sadness, and not half of all."""
    unclear = np.stack([votes(unknown=6, sadness=4), votes(sadness=4, unknown=3, neutral=3)])
    images = data.images.copy()
    images[2] = images[1]
    both = np.concatenate([data.votes[:1], unclear, data.votes[3:]])
    voted = replace(data, votes=both, images=images)
    protocol = "ferplus-argmax10-publictest"
    on_columns = of_row_1(predictions, voted, protocol, FERPLUS_VOTES.labels, "unknown")
    (only,) = find_mistakes(on_columns, voted).found
    assert only.truth == "unknown"
    assert dict(only.doubts) == {"label": "sad", "copy": "sadness"}


def test_data_without_votes_and_names_is_enough(predictions, data):
    bare = replace(data, votes=None, names=None)
    found = find_mistakes(predictions, bare).found
    assert found[0].name == "row 3"
    # Readers count from 1, and in each file of several anew; predictions, columns and clean lists do not.
    numbered = replace(data, names=np.array([f"row {i}" for i in (1, 2, 1, 2, 3, 4)]))
    assert [one.name for one in find_mistakes(predictions, numbered).found] == [
        f"row {i}" for i in (3, 1, 4, 5)
    ]
    assert [list(one.doubts) for one in found] == [[], [], ["blank"], ["copy"]]


def test_other_data_is_refused(predictions, data):
    for other in (replace(data, images=255 - data.images), data.take(np.arange(3))):
        with pytest.raises(
            InputError, match="were not made on this data: expected the pictures of fer2013"
        ):
            find_mistakes(predictions, other)


def test_the_sheet_has_a_cell_for_each_mistake(predictions, data, tmp_path):
    found = find_mistakes(predictions, data).found
    images = data.images[[one.row for one in found]]
    mistakes_sheet(found, images, tmp_path / "m.png", "a title " * 60)
    with PIL.Image.open(tmp_path / "m.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    blank = images[2][0, 0]
    is_blank = (pixels == blank).all(axis=2)
    assert is_blank.sum() > 100 * 100  # the grey face, enlarged
    with pytest.raises(InputError, match="no mistakes to draw"):
        mistakes_sheet([], images[:0], tmp_path / "n.png", "")


def test_the_page_holds_pictures_and_words_and_nothing_from_outside(predictions, data):
    mistakes = find_mistakes(predictions, data)
    page = mistakes_html(mistakes, mistakes.found[:2], data.images[[3, 1]], "a & b")
    assert page.count("data:image/png;base64,") == 2
    assert "<h1>a &amp; b</h1>" in page
    assert "4 mistakes on 5 pictures (80.0%). The 2 most confident are shown." in page
    assert 'data-doubts="not a face"' in page
    assert "&lt;3&gt;.png" in page
    assert "<3>" not in page
    assert "http" not in page
