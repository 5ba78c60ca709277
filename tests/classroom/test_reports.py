import csv
import io
import json
import re

import pytest

from mien.classroom import reports, tables
from mien.classroom.caveats import CAVEATS
from mien.classroom.policy import REASONS, Rule
from mien.classroom.records import Batch, LessonRecord, ParticipantRecord
from mien.classroom.wording import WORDS
from mien.errors import InputError


def aggregate(time_s, percent):
    shown = percent is not None
    return {
        "time_s": time_s, "published_s": time_s + 30, "mapping_id": "m-1", "num_present": 8, "num_waiting": 2,
        "num_valid": 7 if shown else None, "percent": percent, "withheld": None if shown else "few_members",
    }  # fmt: skip


@pytest.fixture
def report(store, fake_time):
    record = LessonRecord(
        id="l", teacher="kim", title="=HYPERLINK(\"x\") <b>", code=None, mapping="m-1",
        decision={"mode": "class", "reason": "r"}, started_at=fake_time.now(),
    )  # fmt: skip
    store.add_lesson(record)
    for number, research in (("a", True), ("b", False)):
        store.add_participant(
            ParticipantRecord(
                id=number,
                lesson="l",
                tag=None,
                camera="device",
                consent="c",
                research=research,
                joined_at=fake_time.now(),
            )
        )
    at = {"lesson": "l", "at": fake_time.now()}
    window = {
        "time_s": 5.0, "state": "steady", "reason": None, "num_frames": 10, "num_valid": 9,
        "z": {"strained": -0.5, "positive": 0.1, "surprised": 0.0}, "valence": -0.1, "arousal": 0.2,
    }  # fmt: skip
    shares = [
        aggregate(5.0, {"away": 20, "steady": 80}),
        aggregate(10.0, None),
        aggregate(15.0, {"away": 0, "steady": 100}),
    ]
    answers = {"start_s": 0, "end_s": 60, "published_s": 90, "num_present": 8, "mapping_id": "m-1"}
    store.write(
        Batch(
            windows=[{**at, "participant": p, "state": "steady", "window": window} for p in "ab"],
            aggregates=[
                *({**at, "kind": "aggregate", "aggregate": one} for one in shares),
                {**at, "kind": "answers", "aggregate": {**answers, "counts": {"lost": 1, "ok": 4, "too_fast": 0}}},
            ],
            moments=[
                {"lesson": "l", "state": "away", "start_s": 5.0, "moment": {
                    "state": "away", "start_s": 5.0, "end_s": None, "before_percent": 0, "peak_percent": 60}}
            ],
            gaps=[{"lesson": "l", "start_at": fake_time.now(), "end_at": fake_time.now(), "reason": "full", "lost_rows": 3}],
        )
    )  # fmt: skip
    return reports.collect(store, record)


def test_json_holds_what_the_class_was_told_with_its_caveats(report):
    text, kind = reports.render(report, "json", "ko")
    read = json.loads(text)
    assert kind == "application/json"
    assert [one["percent"] for one in read["aggregates"]] == [
        {"away": 20, "steady": 80},
        None,
        {"away": 0, "steady": 100},
    ]
    assert read["mapping"] == "m-1"
    assert read["caveats"] == list(CAVEATS["ko"])
    assert read["gaps"][0]["lost_rows"] == 3
    assert read["moments"][0]["peak_percent"] == 60


def test_a_report_of_presence_says_why_and_nothing_of_expressions(report):
    decision = {**report["decision"], "mode": "presence", "rule": "eu_prohibited"}
    for lang in ("en", "ko"):
        text, _ = reports.render({**report, "decision": decision}, "html", lang)
        assert REASONS[Rule.EU_PROHIBITED][lang] in text
        assert CAVEATS[lang][0] in text
        assert CAVEATS[lang][1] not in text


def test_csv_is_no_formula_and_numbers_stay_numbers(report):
    rows = list(csv.reader(io.StringIO(reports.render(report, "csv")[0])))
    assert rows[0] == ["time_s", "kind", "what", "value", "num_valid", "num_present", "num_waiting"]
    assert {len(row) for row in rows} == {7}
    assert ["5.0", "percent", "away", "20", "7", "8", "2"] in rows
    assert ["10.0", "withheld", "few_members", "", "", "8", "2"] in rows
    assert ["60", "answers", "lost", "1", "", "8", ""] in rows
    (gap,) = (row for row in rows if row[1] == "gap")
    assert (gap[2].split()[-1], gap[3]) == ("full", "3")
    assert any(row[3] == '\'=HYPERLINK("x") <b>' for row in rows)


def cells_with_title(report, title):
    titled = {**report, "lesson": {**report["lesson"], "title": title}}
    rows = csv.reader(io.StringIO(reports.render(titled, "csv")[0], newline=""))
    return [cell for row in rows for cell in row]


@pytest.mark.parametrize(
    "text",
    [
        *("=1", "+1", "-1", "@x", "\t=1", "  =1", "\n=1"),
        *("\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u3000=1", "\xa0\uff1d1"),
    ],
)
def test_every_beginning_of_a_formula_is_guarded(report, text):
    assert "'" + text in cells_with_title(report, text)


@pytest.mark.parametrize("text", ["\r=1", "a\r=1", "a\r\n=1", "a\n=1"])
def test_no_cell_begins_after_a_line_break_in_a_title(report, text):
    cells = cells_with_title(report, text)
    assert not any(cell.startswith("=") for cell in cells)
    assert any(cell.endswith("\n=1") for cell in cells)


def test_a_number_below_zero_is_no_formula(report):
    agreed = {**report, "agreement": {"lost": -1.5}}
    rows = list(csv.reader(io.StringIO(reports.render(agreed, "csv")[0])))
    assert ["", "agreement", "lost", "-1.5", "", "", ""] in rows


@pytest.mark.parametrize(
    ("utc_offset_min", "told"),
    [(0, "09:00:00 (UTC):"), (540, "18:00:00 (UTC+09:00):"), (-210, "05:30:00 (UTC-03:30):")],
)
def test_html_has_the_readers_time_and_says_how_far_it_is_from_utc(report, utc_offset_min, told):
    text, _ = reports.render(report, "html", "ko", utc_offset_min)
    assert told in text
    assert f"2026-03-02 {told[:5]} –  ({told[10:-2]})" in text
    ended = {**report["lesson"], "ended_at": "2026-03-02T16:30:00+00:00"}
    text, _ = reports.render({**report, "lesson": ended}, "html", "ko", 540)
    assert "2026-03-02 18:00 – 2026-03-03 01:30 (UTC+09:00)" in text


def test_html_is_whole_escaped_and_in_both_languages(report):
    gaps = {"en": "the disk was full, rows lost: 3", "ko": "디스크가 가득 찼음, 잃은 행: 3"}
    for lang, word in (("en", "strained"), ("ko", "보고서")):
        text, _ = reports.render(report, "html", lang)
        assert "&lt;b&gt;" in text
        assert "<b>" not in text
        assert CAVEATS[lang][0].split(".")[0] in text
        assert word in text or lang == "en"
        assert gaps[lang] in text
        assert "<td>7 / 8 / 10</td>" in text
        assert "<td>– / 8 / 10</td>" in text
        assert "http" not in text
        # Two states, broken where shares are withheld.
        assert len(re.findall("<polyline", text)) == 4


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize("num_windows", [0, 3])
def test_nothing_is_exported_of_fewer_students_than_a_class_needs(store, fake_time, num_windows):
    silent = ParticipantRecord(
        id="Z", lesson="l", tag=None, camera="frames", consent="c", research=True,
        joined_at=fake_time.now(),
    )  # fmt: skip
    store.add_participant(silent)  # agreed, and gave no data: left at once, or covered the camera
    (given,) = store.rows_of(tables.windows, "l", "a")
    empty = {
        "lesson": "l", "at": fake_time.now(), "participant": "Z", "state": "no_data",
        "window": {**given["window"], "state": "no_data", "reason": "blurred", "z": None},
    }  # fmt: skip
    store.write(Batch(windows=[empty] * num_windows))
    with pytest.raises(reports.TooFewError, match="Fewer than 2 students agreed"):
        reports.export_windows(store, "l", min_students=2)


@pytest.mark.usefixtures("report")
def test_only_who_agreed_is_exported_and_under_a_number(store):
    rows = list(csv.reader(io.StringIO(reports.export_windows(store, "l", min_students=1))))
    assert len(rows) == 2
    assert rows[1][:3] == ["1", "5.0", "steady"]
    assert rows[1][-3:] == ["-0.5", "0.1", "0.0"]


@pytest.mark.usefixtures("report")
def test_numbers_in_the_export_tell_neither_who_came_first_nor_whose_id_is_the_smallest(
    store, fake_time
):
    fake_time.s += 60
    late = {"lesson": "l", "tag": None, "camera": "device", "consent": "c", "research": True}
    store.add_participant(ParticipantRecord(id="Z", joined_at=fake_time.now(), **late))
    (before,) = store.rows_of(tables.windows, "l", "a")
    window = {**before["window"], "state": "away"}
    row = {"lesson": "l", "at": fake_time.now(), "participant": "Z", "state": "away"}
    store.write(Batch(windows=[{**row, "window": window}]))
    orders = set()
    for _ in range(40):  # by lot, so that the same order comes forty times in 2^39
        rows = list(csv.reader(io.StringIO(reports.export_windows(store, "l", min_students=2))))
        assert [row[0] for row in rows[1:]] == ["1", "2"]
        orders.add(tuple(row[2] for row in rows[1:]))
    assert orders == {("away", "steady"), ("steady", "away")}


@pytest.mark.usefixtures("report")
def test_moments_stand_in_the_order_in_which_they_began(store):
    def moment(start_s, end_s):
        fields = {"state": "strained", "start_s": start_s, "end_s": end_s}
        return {"lesson": "l", "state": "strained", "start_s": start_s, "moment": fields}

    for one in (moment(100.0, None), moment(200.0, 300.0), moment(100.0, 400.0)):
        store.write(Batch(moments=[one]))
    kept = reports.collect(store, store.lesson("l"))["moments"]
    assert [one["start_s"] for one in kept] == [5.0, 100.0, 200.0]


def polylines(report, *times):
    shares = [aggregate(time_s, {"steady": 100}) for time_s in times]
    text, _ = reports.render({**report, "aggregates": shares}, "html")
    return [points.split() for points in re.findall('<polyline[^>]* points="([^"]*)"', text)]


def test_no_line_is_drawn_over_a_time_without_a_server(report):
    before, after = polylines(report, 5.0, 10.0, 600.0, 605.0)
    assert (len(before), len(after)) == (2, 2)
    assert before[-1].startswith("11.9,")
    assert after[0].startswith("714.0,")


def test_a_single_time_is_a_line_that_can_be_seen(report):
    ((begin, end), _) = polylines(report, 5.0, 600.0, 605.0)
    assert begin == end


def test_other_formats_are_unknown(report):
    with pytest.raises(InputError, match="no format 'pdf'; expected html, csv, json"):
        reports.render(report, "pdf")


def test_every_word_is_there_in_both_languages():
    assert all(english and korean for english, korean in WORDS.values())
    assert len(CAVEATS["en"]) == len(CAVEATS["ko"])
