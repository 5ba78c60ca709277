import re

import pytest

from mien.classroom.signals import load_mapping
from mien.classroom.signals import mapping as mapping_module
from mien.errors import ConfigError

SHIPPED = mapping_module._SHIPPED.read_text(encoding="utf-8")


def load(tmp_path, text):
    path = tmp_path / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return load_mapping(path)


def changed(old, new):
    assert SHIPPED.count(old) == 1, old
    return SHIPPED.replace(old, new)


def test_the_shipped_mapping_holds_what_the_specification_says(mapping):
    assert mapping.id == "mien-signals-1"
    assert (mapping.window.length_s, mapping.window.hop_s, mapping.window.min_frames) == (10, 5, 5)
    assert (mapping.gate.min_face_px, mapping.gate.max_entropy) == (40, 0.9)
    assert mapping.baseline.learn_s == 120
    states = mapping.states
    assert (states.half_life_s, states.enter_z, states.leave_z, states.dwell_s) == (
        15,
        1.5,
        0.8,
        20,
    )
    shared = mapping.aggregate
    assert (shared.min_students, shared.round_percent, shared.delay_s) == (5, 10, 30)
    moments = mapping.moments
    assert (moments.rise_percent, moments.history_s, moments.hold_s) == (30, 600, 60)
    assert set(mapping.features.strained) == {"anger", "disgust", "fear", "sadness", "contempt"}
    assert mapping.features.positive == ("happiness",)
    assert mapping.features.surprised == ("surprise",)


def test_every_number_has_a_source_or_is_marked_as_a_choice_of_ours(mapping):
    assert all(
        text.startswith("†") or re.search(r"\d{4}|\.py", text) for text in mapping.sources.values()
    )
    assert "DAiSEE" in mapping.sources["window.length_s"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "min_face_px = 40",
            "min_face_px = 40\nmin_face = 3",
            "'gate.min_face' is no setting. Did you mean min_face_px",
        ),
        ("\nhop_s = 5.0", "", "window.hop_s is missing; expected every setting"),
        ('id = "mien-signals-1"', 'id = "A b"', "id is 'A b'; expected 3 to 64 small letters"),
        ("min_face_px = 40", "min_face_px = 0", "gate.min_face_px is 0; expected 1 or more"),
        (
            "min_face_px = 40",
            "min_face_px = 40.5",
            "gate.min_face_px is 40.5; expected a whole number",
        ),
        (
            "min_face_px = 40",
            "min_face_px = true",
            "gate.min_face_px is True; expected a whole number",
        ),
        (
            "min_sharpness = 200.0",
            "min_sharpness = -1",
            "gate.min_sharpness is -1.0; expected 0 or more",
        ),
        (
            "min_sharpness = 200.0",
            "min_sharpness = nan",
            "gate.min_sharpness is nan; expected a number",
        ),
        (
            "max_entropy = 0.9",
            "max_entropy = 1.1",
            "gate.max_entropy is 1.1; expected above 0, up to 1",
        ),
        (
            "\nhop_s = 5.0",
            "\nhop_s = 11",
            "window.hop_s is 11.0; expected above 0, up to window.length_s",
        ),
        ("min_frames = 5", "min_frames = 0", "window.min_frames is 0; expected 1 or more"),
        (
            "away_share = 0.7",
            "away_share = 0.5",
            "window.away_share is 0.5; expected above 0.5, up to 1",
        ),
        ('positive = ["happiness"]', 'positive = ["joy"]', "features name 'joy'; expected some of"),
        ('positive = ["happiness"]', 'positive = ["anger"]', "features name an expression twice"),
        ('positive = ["happiness"]', "positive = []", "A list of features is empty"),
        (
            'positive = ["happiness"]',
            "positive = 3",
            "features.positive is 3; expected a list of names",
        ),
        ("learn_s = 120.0", "learn_s = 0", "baseline.learn_s is 0.0; expected more than 0"),
        (
            "half_life_s = 15.0",
            "half_life_s = 0",
            "states.half_life_s is 0.0; expected more than 0",
        ),
        ("leave_z = 0.8", "leave_z = 1.5", "expected more than 0, each more than the one before"),
        ("dwell_s = 20.0", "dwell_s = -1", "states.dwell_s is -1.0; expected 0 or more"),
        (
            "turned_deg = 30.0",
            "turned_deg = 90",
            "states.turned_deg is 90.0; expected above 0 and below 90",
        ),
        ("forget_s = 30.0", "forget_s = 0", "states.forget_s is 0.0; expected more than 0"),
        ("min_students = 5", "min_students = 4", "aggregate.min_students is 4; expected 5 or more"),
        (
            "round_percent = 10",
            "round_percent = 5",
            "aggregate.round_percent is 5; expected 10, 20",
        ),
        ("delay_s = 30.0", "delay_s = -1", "aggregate.delay_s is -1.0; expected 0 or more"),
        (
            "admit_every_s = 60.0",
            "admit_every_s = 0",
            "aggregate.admit_every_s is 0.0; expected more",
        ),
        ("rise_percent = 30", "rise_percent = 0", "moments.rise_percent is 0; expected above 0"),
        (
            "min_history_s = 120.0",
            "min_history_s = 601",
            "moments.min_history_s is 601.0; expected above 0",
        ),
        ("\nhold_s = 60.0", "\nhold_s = -1", "moments.hold_s is -1.0; expected 0 or more"),
        ("period_s = 60.0", "period_s = 0", "answers.period_s is 0.0; expected more than 0"),
        ("near_s = 15.0", "near_s = 0", "answers.near_s is 0.0; expected more than 0"),
        ("contempt = 0.3\n", "", "arousal must hold a number in -1 to 1 for each of neutral"),
        ('"window.hop_s" = "†"', "", "sources lack window.hop_s; give each its source, or †"),
        ('"window.hop_s" = "†"', '"window.hop_s" = " "', "A source is empty"),
        (
            '"window.hop_s" = "†"',
            '"window.hop_s" = "†"\n"window.hops" = "†"',
            "sources name window.hops, which are no",
        ),
        ("[gate]\n", "gate = 3\n[gates]\n", "'gates' is no setting. Did you mean gate"),
        ("id =", "= id", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, changed(old, new))
    assert words in str(caught.value)
    assert "mapping.toml" in str(caught.value)


def test_a_stricter_mapping_of_ones_own_is_taken(tmp_path):
    text = changed("min_students = 5", "min_students = 8").replace("mien-signals-1", "school-2")
    assert load(tmp_path, text).aggregate.min_students == 8


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no mapping .*none\.toml"):
        load_mapping(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_mapping(tmp_path)
