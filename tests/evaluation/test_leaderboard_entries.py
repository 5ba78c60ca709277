"""Result rows and published figures become one kind of entry, and protocols stay apart."""

from dataclasses import replace

import pytest

from mien.errors import UnknownNameError
from mien.evaluation.intervals import wilson
from mien.evaluation.leaderboard_entries import (
    entries,
    entry_of_row,
    grouped,
    is_sound,
    protocol_title,
    seed_entries,
    sort_entries,
)
from mien.evaluation.published import Published, Seed


def row(protocol="fer2013-publictest", name="mien-s", accuracy=0.69, seed=0, **scores):
    def estimate(value):
        return {"value": value, "low": value - 0.015, "high": value + 0.015}

    return {
        "protocol": protocol,
        "model": {"name": name, "format": "onnx", "bytes": 6e6, "seed": seed, "parameters": 5},
        "data": {"split": "valid", "n": 3589},
        "views": "flip",
        "command": "mien evaluate x",
        "commit": "c1",
        "date": "2026-11-22T00:00:00+00:00",
        "scores": {
            "n": 3589,
            "accuracy": estimate(accuracy),
            "macro_f1": estimate(0.65),
            "clean": {"n": 3000, "accuracy": estimate(accuracy - 0.01)},
            "collapsed": None,
            **scores,
        },
    }


def figure(**changes):
    fields = {"name": "a", "protocol": "fer2013-publictest", "checked": "code", "figure": 73.28}
    return Published(**{**fields, **changes})


def test_a_row_keeps_its_interval_and_says_that_publictest_was_chosen_on():
    (one,) = entries([row()], [])
    assert (one.name, one.accuracy) == ("mien-s, onnx", 0.69)
    assert (one.low, one.high) == pytest.approx((0.675, 0.705))
    assert (one.macro_f1, one.clean, one.n, one.year) == (0.65, pytest.approx(0.68), 3589, 2026)
    assert one.chosen_on_split
    assert not is_sound(one)
    assert not entries([row("fer2013-privatetest")], [])[0].chosen_on_split


def test_rows_that_differ_by_their_seed_alone_say_it():
    found = entries([row(seed=1), row(seed=2), row(name="b")], [])
    assert [one.name for one in found] == [
        "mien-s, onnx (seed 1)",
        "mien-s, onnx (seed 2)",
        "b, onnx",
    ]


def test_rows_of_another_prior_stand_in_a_table_of_their_own():
    """`--prior uniform` is chosen for rare expressions, and its accuracy compares with none without it."""
    balanced = row("fer2013-publictest-clean") | {"prior": "uniform"}
    plain = row("fer2013-publictest-clean") | {"prior": "training"}
    groups = grouped(entries([balanced, plain, row("ferplus-majority-publictest")], []))
    assert list(groups) == [
        "fer2013-publictest-clean",
        "fer2013-publictest-clean-uniform-prior",
        "ferplus-majority-publictest",
    ]
    (one,) = groups["fer2013-publictest-clean-uniform-prior"]
    assert (one.name, one.chosen_on_split) == ("mien-s, onnx", True)
    title = protocol_title(one.protocol)
    assert title.startswith(
        "FER2013's label, seven classes · PublicTest: what mien chooses on · copies"
    )
    assert title.endswith("left out · answered as if all expressions were equally frequent")


def test_several_networks_that_answer_together_are_an_ensemble():
    several = row(name="teachers")
    several["model"]["architecture"] = "ensemble"
    assert [one.ensemble for one in entries([several, row()], [])] == [True, False]


def test_a_collapsed_row_says_so():
    assert entries([row(collapsed="happy")], [])[0].note == "collapsed to one class: happy"


def test_a_row_of_a_shortened_run_says_so():
    short = row()
    assert entry_of_row(short).remark == ""
    short["model"]["shortened"] = "1,500 faces, 4 epochs"
    assert entry_of_row(short).remark == "; shortened to 1,500 faces, 4 epochs"


def test_a_figure_gets_its_interval_from_n_alone():
    (one,) = entries([], [figure(n=3589)])
    assert (one.low, one.high) == wilson(2630, 3589)
    (without,) = entries([], [figure()])
    assert (without.low, without.high) == (None, None)
    assert entries([], [figure(figure=None)]) == []


def test_what_is_not_known_stays_unknown():
    (one,) = entries([], [figure(leak="https://x")])
    assert one.flags == {
        "chosen_on_split": None,
        "external_data": None,
        "ensemble": None,
        "leak": True,
    }
    assert not is_sound(one)
    assert is_sound(replace(one, leak=None))


def test_protocols_never_mix_and_known_splits_come_first():
    names = [
        "ferplus-majority-privatetest",
        "labels-valid",
        "fer2013-unknown",
        "fer2013-publictest",
    ]
    names += ["ferplus-majority-privatetest-clean", "fer2013-publictest"]
    groups = grouped(entries([row(name) for name in names], []))
    assert list(groups) == [
        "fer2013-publictest",
        "fer2013-unknown",
        "ferplus-majority-privatetest",
        "ferplus-majority-privatetest-clean",
        "labels-valid",
    ]
    assert [len(group) for group in groups.values()] == [2, 1, 1, 1, 1]


def test_titles_say_truth_and_pictures():
    title = protocol_title("ferplus-majority-privatetest-clean")
    assert title.startswith("FER+, strict majority of the votes, eight classes · PrivateTest")
    assert title.endswith("copies of training left out")
    assert protocol_title("mine") == "mine · mine"


def test_entries_are_sorted_by_what_is_asked():
    found = entries([row(name="b", accuracy=0.6), row(name="a", accuracy=0.7)], [figure(year=2021)])
    assert [one.accuracy for one in sort_entries(found)] == [0.7328, 0.7, 0.6]
    assert [one.year for one in sort_entries(found, "year")] == [2026, 2026, 2021]
    assert [one.name for one in sort_entries(found, "name")] == ["a", "a, onnx", "b, onnx"]
    with pytest.raises(UnknownNameError, match="No order is called 'size'"):
        sort_entries(found, "size")


def test_a_seed_finds_our_rows_by_their_names():
    seed = Seed(
        name="s", protocol="p", checked="text", number=3, ours=("vgg-style",), how="as they did"
    )
    found = entries([row(name="vgg-style-lr"), row(name="mien-s")], [figure(name="vgg-style")])
    assert [one.name for one in seed_entries(seed, found)] == ["vgg-style-lr, onnx"]
