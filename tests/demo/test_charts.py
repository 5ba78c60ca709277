import re

import pytest

from mien.demo.charts import progress_bar, running_chart, timeline_chart
from mien.recognition.timeline import Timeline
from mien.types import Box, VideoRow

BOX = Box(0, 0, 10, 10)


def row(frame, time_s, track=None, expression=None):
    return VideoRow(frame=frame, time_s=time_s, track=track, box=BOX, expression=expression)


def polygons(chart):
    found = re.findall(r'points="([^"]+)" fill="(#\w+)"><title>([^<]+)', chart)
    return [
        ([tuple(map(float, point.split(","))) for point in points.split()], colour, title)
        for points, colour, title in found
    ]


def test_areas_are_as_thick_as_their_expression_is_probable():
    moments = [(10.0, {"happy": 0.25, "sad": 0.75}), (14.0, {"happy": 1.0, "sad": 0.0})]
    happy, sad = polygons(running_chart(moments, now_s=15.0, span_s=20.0, lang="en"))
    assert happy == ([(75, 0), (95, 0), (95, 100), (75, 25)], "#f0e442", "happy")
    assert sad == ([(75, 25), (95, 100), (95, 100), (75, 100)], "#0072b2", "sad")


@pytest.mark.parametrize("moments", [[], [(0.0, {"happy": 1.0})]])
def test_a_chart_of_less_than_two_moments_is_empty(moments):
    chart = running_chart(moments, now_s=0.0, span_s=20.0, lang="ko")
    assert polygons(chart) == []
    assert "<span>20초 전</span><span>지금</span>" in chart


def test_each_face_has_a_line_with_its_stretches_in_place():
    rows = [row(0, 0.0, 1, "happy"), row(1, 1.0, 1, "sad"), row(2, 2.0, 1, "sad"), row(3, 3.0)]
    chart = timeline_chart(Timeline(rows), "en")
    assert re.findall(
        r"left:([\d.]+)%;width:([\d.]+)%;background:(#\w+)\" title=\"([^\"]+)", chart
    ) == [
        ("0.000", "25.000", "#f0e442", "happy, 0.00–1.00 s"),
        ("25.000", "50.000", "#0072b2", "sad, 1.00–3.00 s"),
    ]
    assert "sad 2.0 s (67 %)" in chart
    assert "happy 1.0 s (33 %)" in chart
    assert re.findall(r"%\">(\d s)<", chart) == ["0 s", "1 s", "2 s", "3 s", "4 s"]


def test_a_timeline_speaks_korean():
    chart = timeline_chart(Timeline([row(0, 0.0, 4, "happy"), row(1, 1.0, 4, "happy")]), "ko")
    assert "<span>얼굴 4</span>" in chart
    assert "행복 2.0초 (100 %)" in chart


def test_long_recordings_have_few_ticks():
    rows = [row(n, 10.0 * n, 1, "sad") for n in range(60)]
    ticks = re.findall(r"%\">(\d+:\d\d)<", timeline_chart(Timeline(rows), "en"))
    assert ticks == ["0:00", "2:00", "4:00", "6:00", "8:00", "10:00"]


def test_of_a_crowd_those_seen_longest_are_shown():
    rows = [row(n, float(n), track, "sad") for n in range(20) for track in range(n, 20)]
    chart = timeline_chart(Timeline(rows), "en")
    shown = [int(n) for n in re.findall(r"<span>Face (\d+)<", chart)]
    assert shown == list(range(8, 20))
    assert "The 12 faces seen longest, of 20;" in chart


def test_without_a_face_it_says_so():
    assert "No face in the recording so far." in timeline_chart(Timeline([row(0, 0.0)]), "en")


def test_progress():
    bar = progress_bar(0.256, "so <far>")
    assert "width:25.6%" in bar
    assert "so &lt;far&gt;" in bar
