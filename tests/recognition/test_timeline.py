import pytest

from mien.recognition.timeline import Stretch, Timeline
from mien.types import VideoRow


def rows(*frames):
    """Rows from (time, {track: expression})."""
    for number, (time_s, shown) in enumerate(frames):
        if not shown:
            yield VideoRow(frame=number, time_s=time_s)
        for track, expression in shown.items():
            yield VideoRow(frame=number, time_s=time_s, track=track, expression=expression)


def test_equal_rows_become_one_stretch_and_the_last_frame_lasts_as_the_one_before():
    timeline = Timeline(
        rows((0, {1: "happy"}), (0.5, {1: "happy"}), (1.0, {1: "sad"}), (1.25, {1: "sad"}))
    )
    assert timeline.stretches() == [Stretch(1, "happy", 0, 1.0), Stretch(1, "sad", 1.0, 1.5)]
    assert timeline.seconds() == {1: {"happy": 1.0, "sad": 0.5}}
    assert timeline.end_s == 1.5


def test_a_stretch_goes_on_however_times_round():
    times = (0, 0.113928, 0.464354)
    assert times[1] + (times[2] - times[1]) != times[2]
    timeline = Timeline(rows(*((time_s, {1: "happy"}) for time_s in (*times, 0.5))))
    assert len(timeline.stretches()) == 1


def test_tracks_that_come_and_go_are_kept_apart():
    timeline = Timeline(
        rows(
            (0, {1: "happy", 2: "sad"}),
            (1, {2: "sad"}),
            (2, {}),
            (3, {1: "happy", 2: "fear"}),
        )
    )
    assert timeline.stretches() == [
        Stretch(1, "happy", 0, 1),
        Stretch(1, "happy", 3, 4),
        Stretch(2, "sad", 0, 2),
        Stretch(2, "fear", 3, 4),
    ]
    assert timeline.seconds() == {1: {"happy": 2}, 2: {"sad": 2, "fear": 1}}
    assert (timeline.num_frames, timeline.num_empty) == (4, 1)


def test_uneven_frames_weigh_by_their_time():
    timeline = Timeline(rows((0, {1: "sad"}), (0.1, {1: "happy"}), (0.9, {1: "sad"}), (1.0, {})))
    assert timeline.seconds()[1] == pytest.approx({"happy": 0.8, "sad": 0.2})


def test_what_nobody_saw_is_not_counted():
    sad = {1: "sad"}
    timeline = Timeline(rows((0, sad), (60, sad), (60.25, sad), (60.5, sad)))
    assert timeline.seconds() == {1: {"sad": 1.75}}  # one second of the gap, and three quarters
    assert timeline.stretches() == [Stretch(1, "sad", 0, 1), Stretch(1, "sad", 60, 60.75)]


@pytest.mark.parametrize("step_s", [2, 60])
def test_slower_than_a_frame_a_second_every_second_counts(step_s):
    shown = ["sad", "sad", "happy", "sad"]
    timeline = Timeline(rows(*((step_s * n, {1: name}) for n, name in enumerate(shown))))
    assert timeline.seconds() == {1: {"sad": 3 * step_s, "happy": step_s}}
    assert timeline.end_s == 4 * step_s


def test_a_gap_in_a_slow_recording_is_not_counted():
    times = (0, 2, 4, 6, 60, 62)
    timeline = Timeline(rows(*((time_s, {1: "sad"}) for time_s in times)))
    assert timeline.stretches() == [Stretch(1, "sad", 0, 11), Stretch(1, "sad", 60, 64)]


def test_asking_changes_nothing():
    one, other = Timeline(), Timeline()
    for row in rows(*((n / 4, {1: "sad" if n < 5 else "happy"}) for n in range(9))):
        one.add(row)
        other.add(row)
        one.seconds()
    assert one.stretches() == other.stretches()


def test_without_rows_there_is_nothing():
    assert Timeline().stretches() == []
    assert Timeline().end_s == 0


def test_memory_follows_changes_not_rows():
    timeline = Timeline(rows(*((n / 25, {1: "happy"}) for n in range(5000))))
    assert len(timeline.stretches()) == 1
