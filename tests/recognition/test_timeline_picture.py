import html.parser
import re

import pytest

from mien import images
from mien.errors import ConfigError, InputError
from mien.recognition import draw
from mien.recognition.timeline import Timeline
from mien.recognition.timeline_picture import (
    timeline_html,
    write_timeline_html,
    write_timeline_png,
)
from mien.types import VideoRow


def timeline(num_tracks=2):
    """Every track is happy for a second, then sad for three."""
    return Timeline(
        VideoRow(frame=n, time_s=n * 0.5, track=t, expression="happiness" if n < 2 else "sadness")
        for n in range(8)
        for t in range(1, num_tracks + 1)
    )


def test_bars_are_as_long_as_their_times_and_in_the_colours_of_the_frames(tmp_path):
    write_timeline_png(timeline(), tmp_path / "t.png", "a lesson")
    picture = images.read(tmp_path / "t.png")
    line = picture[2 * (64 + 17)]  # the middle of the first track's bar
    happy, sad = (
        (line == draw.COLOURS[name]).all(axis=1).sum() for name in ("happiness", "sadness")
    )
    assert happy > 300
    assert sad == pytest.approx(3 * happy, abs=4)


def test_the_page_says_everything_and_loads_nothing():
    page = timeline_html(timeline(), "a <lesson>", "ko")
    html.parser.HTMLParser().feed(page)
    assert "<title>a &lt;lesson&gt;</title>" in page
    assert "track 2: 행복, 0.00–1.00 s" in page
    assert "<tr><td>1<td>슬픔<td>3.0" in page
    assert not re.search(r"(src|href)=|@import|url\(|<script", page)
    assert set(re.findall(r"https?://[^\"]+", page)) == {"http://www.w3.org/2000/svg"}  # a name


def test_a_recording_without_faces_is_drawn_too(tmp_path):
    empty = Timeline([VideoRow(frame=0, time_s=0.0)])
    write_timeline_png(empty, tmp_path / "t.png", "nobody")
    assert "no face" in timeline_html(empty, "nobody")


def test_of_a_crowd_the_longest_tracks_are_drawn():
    page = timeline_html(timeline(100), "a crowd")
    assert "a crowd · the 60 longest of 100 tracks" in page
    assert page.count(">track ") == 60 + 2 * 60  # names of the rows, titles of the bars


@pytest.mark.parametrize(("seconds", "words"), [(4, "3.5 s"), (40, "15 s"), (4000, "50:00")])
def test_times_are_written_as_people_do(seconds, words):
    steps = range(0, seconds * 10, 9)
    long = Timeline(VideoRow(frame=n, time_s=n / 10, track=1, expression="sadness") for n in steps)
    assert f">{words}</text>" in timeline_html(long, "x")


@pytest.mark.parametrize("shift_s", [0, 600, 1.7e9])
def test_a_part_is_drawn_from_its_first_time_on(tmp_path, shift_s):
    shifted = Timeline(
        VideoRow(frame=n, time_s=shift_s + n * 0.5, track=1, expression="happiness")
        for n in range(8)
    )
    write_timeline_png(shifted, tmp_path / "t.png", "later")
    line = images.read(tmp_path / "t.png")[2 * (64 + 17)]
    assert (line == draw.COLOURS["happiness"]).all(axis=1).sum() == pytest.approx(1760, abs=4)
    assert 4 <= timeline_html(shifted, "x").count('text-anchor="middle"') <= 11


@pytest.mark.parametrize(
    ("shift_s", "words"), [(598, ["9:59.0", "9:59.5", "10:00.0"]), (36_000, ["10:00:02.5"])]
)
def test_ticks_of_a_short_part_far_in_are_told_apart(shift_s, words):
    rows = (
        VideoRow(frame=n, time_s=shift_s + n / 10, track=1, expression="fear") for n in range(45)
    )
    page = timeline_html(Timeline(rows), "x")
    assert all(f">{word}</text>" in page for word in words)


def test_a_clock_that_jumps_by_ages_makes_no_more_ticks():
    rows = [VideoRow(frame=n, time_s=n * 0.5, track=1, expression="sadness") for n in range(8)]
    rows.append(VideoRow(frame=8, time_s=1e15, track=1, expression="sadness"))
    assert timeline_html(Timeline(rows), "x").count('text-anchor="middle"') <= 11


def test_hours_are_written_from_ten_on():
    rows = (VideoRow(frame=n, time_s=n * 600.0, track=1, expression="sad") for n in range(80))
    assert ">12:00:00</text>" in timeline_html(Timeline(rows), "x")


def test_a_time_that_is_no_number_is_refused():
    with pytest.raises(InputError, match=r"Frame 3 is at inf s; expected a number"):
        Timeline([VideoRow(frame=3, time_s=float("inf"))])


def test_a_title_that_is_no_text_is_written_as_far_as_it_is(tmp_path):
    write_timeline_html(timeline(), tmp_path / "t.html", "b\udcffd.csv")
    write_timeline_png(timeline(), tmp_path / "t.png", "b\udcffd.csv")
    assert "<title>b?d.csv</title>" in (tmp_path / "t.html").read_text()


def test_a_page_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"t\.html cannot be written: Not a directory"):
        write_timeline_html(timeline(), tmp_path / "file" / "t.html", "x")
