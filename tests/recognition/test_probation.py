import numpy as np

from mien.recognition.probation import PROBATION_S, Probation
from mien.types import Box, VideoRow, WatchedFrame

PIXELS = np.zeros((2, 2, 3), np.uint8)


def frame(index, tracks, step_s=0.04):
    time_s = index * step_s
    rows = tuple(
        VideoRow(frame=index, time_s=time_s, track=track, box=Box(0, 0, 9, 9)) for track in tracks
    ) or (VideoRow(frame=index, time_s=time_s),)
    return WatchedFrame(index, time_s, PIXELS, rows)


def tracks_of(frames):
    return [[row.track for row in one.rows] for one in frames]


def run(frames, is_live=False):
    probation = Probation(is_live)
    out = [settled for one in frames for settled in probation.add(one)]
    return [*out, *probation.finish()]


def test_a_lasting_face_has_its_first_frames_too():
    out = run([frame(n, [5]) for n in range(30)])
    assert tracks_of(out) == [[1]] * 30
    assert [one.index for one in out] == list(range(30))


def test_a_face_that_flashes_up_leaves_a_frame_without_faces():
    shown = {10, 11, 12, 13}
    out = run([frame(n, [3] if n in shown else []) for n in range(40)])
    assert tracks_of(out) == [[None]] * 40
    assert all(len(one.rows) == 1 and one.rows[0].box is None for one in out)


def test_beside_a_lasting_one_a_flash_leaves_nothing():
    out = run([frame(n, [1, 2] if n in (9, 10, 11) else [1]) for n in range(30)])
    assert tracks_of(out) == [[1]] * 30


def test_a_face_that_a_detector_misses_at_times_stands():
    out = run([frame(n, [] if n % 4 == 3 else [8]) for n in range(30)])
    assert tracks_of(out) == [[None] if n % 4 == 3 else [1] for n in range(30)]


def test_a_second_try_is_judged_anew():
    out = run([frame(n, [4] if n == 3 or n > 20 else []) for n in range(50)])
    assert tracks_of(out) == [[1] if n > 20 else [None] for n in range(50)]


def test_numbers_are_given_in_the_order_in_which_tracks_stand():
    out = run([frame(n, [7, 9] if n > 2 else [9]) for n in range(30)])
    assert tracks_of(out)[0] == [1]
    assert tracks_of(out)[-1] == [2, 1]


def test_with_few_frames_a_second_nothing_is_left_out():
    out = run([frame(n, [n], step_s=1.0) for n in range(5)])
    assert tracks_of(out) == [[1], [2], [3], [4], [5]]


def test_a_recording_shorter_than_the_probation_is_judged_at_its_end():
    assert tracks_of(run([frame(n, [1]) for n in range(4)])) == [[1]] * 4


def test_no_more_frames_are_held_than_the_probation_lasts():
    probation, out = Probation(is_live=False), 0
    for n in range(200):
        out += len(list(probation.add(frame(n, [n // 3]))))  # always someone new
        assert n + 1 - out <= PROBATION_S / 0.04 + 1


def test_a_live_picture_does_not_wait():
    probation = Probation(is_live=True)
    out = [list(probation.add(frame(n, [1]))) for n in range(20)]
    assert [len(one) for one in out] == [1] * 20
    shown = tracks_of(one[0] for one in out)
    assert shown[:8] == [[None]] * 8
    assert shown[9:] == [[1]] * 11
