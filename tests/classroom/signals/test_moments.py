import json

import pytest

from mien.classroom.signals import Aggregate, State, Withheld
from mien.classroom.signals.moments import MomentFinder


def aggregate(time_s, share):
    return Aggregate(
        time_s=time_s,
        published_s=time_s + 30,
        mapping_id="mien-signals-1",
        num_present=10,
        num_waiting=0,
        num_valid=None if share is None else 10,
        percent=None if share is None else {State.STRAINED: share, State.AWAY: 0},
        withheld=Withheld.FEW_VALID if share is None else None,
    )


def shares(*parts):
    """Aggregates every 5 s from (share, number of them)."""
    flat = [share for share, num in parts for _ in range(num)]
    return [aggregate(5.0 * (place + 1), share) for place, share in enumerate(flat)]


def find(mapping, aggregates, resume=False):
    finder = MomentFinder(State.STRAINED, mapping)
    found = []
    for one in aggregates:
        found += finder.step(one)
        if resume:
            saved = json.loads(json.dumps(finder.as_dict()))
            finder = MomentFinder(State.STRAINED, mapping)
            finder.restore(saved)
    return found, finder


@pytest.mark.parametrize("resume", [False, True])
def test_a_rise_of_thirty_points_for_a_minute_is_marked_and_ended(mapping, resume):
    found, _ = find(mapping, shares((10, 60), (40, 13), (10, 5)), resume)
    marked, ended = found
    # 305 + 60, told 30 s later.
    assert (marked.start_s, marked.marked_s, marked.end_s) == (305, 395, None)
    assert (marked.before_percent, marked.peak_percent) == (10, 40)
    assert (ended.start_s, ended.marked_s, ended.end_s) == (305, 395, 365)


@pytest.mark.parametrize(
    "parts", [((10, 60), (30, 60)), ((10, 60), (50, 12), (10, 9)), ((40, 120),)]
)
def test_less_shorter_or_always_high_is_no_moment(mapping, parts):
    found, finder = find(mapping, shares(*parts))
    assert found == []
    assert finder.finish() == []


def test_there_must_be_some_history_before(mapping):
    # High from the tenth window on: when 120 s are there at last, high is what the class usually is.
    assert find(mapping, shares((10, 9), (60, 40)))[0] == []
    (found,) = find(mapping, shares((10, 24), (60, 30)))[0]
    assert found.start_s == 125


def test_times_without_shares_are_no_history(mapping):
    assert find(mapping, shares((0, 1), (None, 24), (40, 20)))[0] == []
    (found,) = find(mapping, shares((0, 12), (None, 24), (0, 12), (40, 20)))[0]
    assert found.start_s == 245


def test_the_usual_is_the_median_so_a_short_peak_before_does_not_raise_it(mapping):
    found, _ = find(mapping, shares((10, 50), (90, 6), (10, 30), (40, 13)))
    assert [moment.before_percent for moment in found] == [10]


def test_unknown_ends_it_and_is_never_counted_as_high(mapping):
    found, _ = find(mapping, shares((0, 60), (50, 10), (None, 1), (50, 10), (0, 3)))
    assert found == []
    found, _ = find(mapping, shares((0, 60), (50, 14), (None, 1), (0, 3)))
    assert [moment.end_s for moment in found] == [None, 370]


def test_a_higher_peak_is_told_again(mapping):
    found, finder = find(mapping, shares((0, 60), (50, 15), (80, 2), (60, 2)))
    assert [(moment.peak_percent, moment.end_s) for moment in found] == [(50, None), (80, None)]
    (ended,) = finder.finish()
    assert (ended.peak_percent, ended.end_s) == (80, 395)


def test_a_height_that_lasts_ten_minutes_has_become_the_usual(mapping):
    found, finder = find(mapping, shares((0, 120), (60, 240)))
    assert [moment.end_s for moment in found] == [None, 1200]  # from 605 s to 605 + 600
    assert finder.finish() == []


def test_it_watches_its_own_state_only(mapping):
    finder = MomentFinder(State.AWAY, mapping)
    assert [moment for one in shares((0, 60), (80, 30)) for moment in finder.step(one)] == []


def test_shares_of_others_begin_anew_and_end_what_went_on(mapping):
    finder = MomentFinder(State.STRAINED, mapping)
    found = [m for one in shares((0, 60), (50, 14)) for m in finder.step(one)]
    assert [moment.end_s for moment in found] == [None]
    (ended,) = finder.step(aggregate(375.0, 50), is_of_others=True)
    assert (ended.start_s, ended.end_s) == (305, 370)
    later = [aggregate(375.0 + 5 * n, 90) for n in range(1, 40)]
    assert [m for one in later[:23] for m in finder.step(one)] == []
