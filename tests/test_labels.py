"""Orders, spellings and conversions of the expressions, against lists that are written out here.

The orders are written as each source gives them, not taken from `mien.labels`: a swapped order is
invisible in an accuracy figure, so the two must be able to disagree.
"""

import unicodedata

import numpy as np
import pytest

from mien import labels
from mien.errors import InputError, UnknownNameError
from mien.labels import (
    DEEPFACE,
    FER2013,
    FER2013_FOLDERS,
    FER_PACKAGE,
    FERPLUS,
    FERPLUS_VOTES,
    HSEMOTION,
    canonical,
    convert_probs,
    display_name,
    expression_indices,
)

SETS = [value for value in vars(labels).values() if isinstance(value, labels.LabelSet)]

# Kaggle's page of the challenge: "0=Angry, 1=Disgust, 2=Fear, 3=Happy, 4=Sad, 5=Surprise, 6=Neutral".
KAGGLE = ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"]
# Header of fer2013new.csv after "Usage,Image name".
FER2013NEW = [
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
]
# deepface/models/demography/Emotion.py, `labels`.
DEEPFACE_OUTPUTS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
# fer/fer.py, `_get_labels`.
FER_OUTPUTS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
# The folders of the image layout as a loader that sorts them sees them.
FOLDERS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (FER2013, [name.lower() for name in KAGGLE]),
        (FERPLUS_VOTES, FER2013NEW),
        (FERPLUS, FER2013NEW[:8]),
        (DEEPFACE, DEEPFACE_OUTPUTS),
        (FER_PACKAGE, FER_OUTPUTS),
        (FER2013_FOLDERS, FOLDERS),
    ],
)
def test_orders_are_those_of_their_source(ours, theirs):
    assert list(ours.labels) == theirs
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("known", SETS, ids=lambda known: known.name)
def test_every_label_is_an_expression_with_one_english_and_one_korean_name(known):
    canonicals = [canonical(label) for label in known.labels]
    assert None not in canonicals
    assert len(set(canonicals)) == len(known)
    korean = [display_name(label, "ko") for label in known.labels]
    assert len(set(korean)) == len(known)
    assert all("가" <= character <= "힣" for name in korean for character in name.replace(" ", ""))
    english = [display_name(label) for label in known.labels]
    assert len(set(english)) == len(known)
    assert all(name.isascii() for name in english)


def test_korean_names_are_the_usual_ones():
    assert [display_name(label, "ko") for label in FERPLUS.labels] == (
        ["무표정", "행복", "놀람", "슬픔", "분노", "혐오", "공포", "경멸"]
    )


@pytest.mark.parametrize(
    ("spelling", "expression"),
    [
        ("angry", "anger"),
        ("Anger", "anger"),
        (" Happy ", "happiness"),
        ("HAPPINESS", "happiness"),
        ("sad", "sadness"),
        ("surprised", "surprise"),
        ("Neutrality", "neutral"),
        ("NF", "not_face"),
        ("contempt", "contempt"),
        ("행복", "happiness"),
        (unicodedata.normalize("NFD", "행복"), "happiness"),  # as macOS gives names of files
        ("bored", None),
        ("", None),
    ],
)
def test_spellings_meet_in_one_name(spelling, expression):
    assert canonical(spelling) == expression


def test_a_foreign_label_is_shown_as_it_is():
    assert display_name("bored", "ko") == "bored"


def test_a_language_that_we_do_not_speak_is_named():
    with pytest.raises(UnknownNameError, match="No language is called 'kr'"):
        display_name("happy", "kr")


def test_ferplus_to_fer2013_drops_contempt_and_scales_the_rest():
    # neutral happiness surprise sadness anger disgust fear contempt
    probs = np.array([0.10, 0.30, 0.05, 0.15, 0.08, 0.02, 0.10, 0.20])
    converted = convert_probs(probs, FERPLUS.labels, FER2013.labels)
    # angry disgust fear happy sad surprise neutral; 0.8 is left
    expected = np.array([0.08, 0.02, 0.10, 0.30, 0.15, 0.05, 0.10]) / 0.8
    np.testing.assert_allclose(converted, expected, rtol=1e-12)
    assert converted.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("target", [DEEPFACE, FER_PACKAGE, FER2013_FOLDERS], ids=lambda t: t.name)
def test_there_and_back_gives_the_same_probabilities(target):
    probs = np.random.default_rng(0).dirichlet(np.ones(7), size=5)
    there = convert_probs(probs, FER2013.labels, target.labels)
    back = convert_probs(there, target.labels, FER2013.labels)
    np.testing.assert_allclose(back, probs, rtol=1e-12)
    # Each probability must have stayed with its name.
    for name, ours in zip(FER2013.labels, probs.T, strict=True):
        np.testing.assert_allclose(there[:, target.labels.index(name)], ours, rtol=1e-12)


def test_hsemotion_and_ferplus_are_the_same_eight_in_another_order():
    probs = np.arange(1, 9) / 36
    converted = convert_probs(probs, FERPLUS.labels, HSEMOTION.labels)
    # Anger Contempt Disgust Fear Happiness Neutral Sadness Surprise
    np.testing.assert_allclose(converted, np.array([5, 8, 6, 7, 2, 1, 4, 3]) / 36)


def test_counts_of_votes_become_shares():
    # neutral happiness surprise sadness anger disgust fear contempt
    votes = np.array([[1, 6, 0, 0, 0, 0, 1, 2]])
    converted = convert_probs(votes, FERPLUS.labels, FER2013.labels)
    # angry disgust fear happy sad surprise neutral
    np.testing.assert_allclose(converted, np.array([[0, 0, 1, 6, 0, 0, 1]]) / 8)


def test_conversion_works_on_any_leading_shape():
    probs = np.full((2, 3, 8), 1 / 8, dtype=np.float32)
    converted = convert_probs(probs, FERPLUS.labels, FER2013.labels)
    assert converted.shape == (2, 3, 7)
    assert converted.dtype == np.float32
    np.testing.assert_allclose(converted, 1 / 7, rtol=1e-6)


def test_when_all_the_mass_was_on_a_dropped_label_nothing_is_invented():
    only_contempt = np.eye(8)[7]
    converted = convert_probs(only_contempt, FERPLUS.labels, FER2013.labels)
    np.testing.assert_array_equal(converted, np.zeros(7))


def test_a_target_that_the_source_lacks_is_named():
    with pytest.raises(InputError, match=r"no counterpart: contempt.*The source has angry"):
        convert_probs(np.full(7, 1 / 7), FER2013.labels, FERPLUS.labels)


def test_probabilities_must_be_as_many_as_labels():
    with pytest.raises(InputError, match="8 probabilities were given for 7 labels"):
        convert_probs(np.full(8, 1 / 8), FER2013.labels, DEEPFACE.labels)


def test_indices_say_where_a_label_stands_in_the_source():
    places = expression_indices(FERPLUS.labels, FER2013.labels)
    assert places.tolist() == [4, 5, 6, 1, 3, 2, 0]
    assert [FERPLUS.labels[place] for place in places] == (
        ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    )
