import json
import socket
import sys
from datetime import UTC, datetime

import pytest

pytest.importorskip("fastapi", reason="the extra classroom is not installed")

from mien import cli
from mien.classroom.app import open_store
from mien.classroom.records import Batch, LessonRecord
from mien.classroom.settings import load_settings


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MIEN_CLASSROOM_DATA_DIR", str(tmp_path))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["mien", "classroom", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture
def lesson(tmp_path):
    store = open_store(load_settings(data_dir=tmp_path))
    started = datetime.now(UTC)
    record = LessonRecord(
        id="abc", teacher="kim", title="분수", code=None, decision={"mode": "class"}, mapping="m-1",
        started_at=started,
    )  # fmt: skip
    store.add_lesson(record)
    shares = {
        "time_s": 5.0, "published_s": 35.0, "mapping_id": "m-1", "num_present": 8, "num_waiting": 0, "num_valid": 8,
        "percent": {"away": 30, "steady": 70}, "withheld": None,
    }  # fmt: skip
    row = {"lesson": "abc", "at": started, "kind": "aggregate", "aggregate": shares}
    store.write(Batch(aggregates=[row]))
    yield store
    store.close()


def test_serving_without_a_policy_is_refused_and_says_what_to_set(run, tmp_path):
    code, out, err = run("serve")
    assert (code, out) == (2, "")
    assert "does not start before it is told: jurisdiction" in err
    assert "MIEN_CLASSROOM_JURISDICTION" in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


class StartedServer:
    started = True

    def run(self, sockets):
        """It would go on until Ctrl-C."""
        for one in sockets or ():
            one.close()


@pytest.mark.parametrize(
    ("where", "mode", "rule"), [("KR", "class", "as_asked"), ("DE", "presence", "eu_prohibited")]
)
def test_each_start_says_first_what_the_policy_gate_decided(
    run, monkeypatch, free_port, where, mode, rule
):
    monkeypatch.setattr("mien.classroom.server.make_server", lambda *_: StartedServer())
    monkeypatch.setattr("mien.classroom.server.forbid_crash_dumps", lambda: None)
    policy = ("--jurisdiction", where, "--context", "education", "--mode", "class")
    code, out, _ = run("serve", *policy, "--port", free_port())
    assert code == 0
    first = out.splitlines()[0]
    assert first.startswith(
        f"Policy: mode {mode}, asked for: class; {where}; education; rule {rule} of 20"
    )


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6_is_printed_as_browsers_take_it(run, monkeypatch, free_port, host):
    monkeypatch.setattr("mien.classroom.server.make_server", lambda *_: StartedServer())
    monkeypatch.setattr("mien.classroom.server.bind", lambda _: [])
    monkeypatch.setattr("mien.classroom.server.forbid_crash_dumps", lambda: None)
    policy = ("--jurisdiction", "KR", "--context", "education", "--mode", "presence")
    port = free_port()
    _, out, _ = run("serve", *policy, "--host", host, "--port", port)
    assert f"Students: http://[::1]:{port}/ " in out


def test_serving_others_without_encryption_is_refused(run):
    policy = ("--jurisdiction", "KR", "--context", "education", "--mode", "presence")
    code, _, err = run("serve", *policy, "--host", "0.0.0.0")
    assert code == 2
    assert "can be reached from other machines, so teacher_keys must be set" in err


def test_serving_where_somebody_listens_ends_with_one_line(run):
    policy = ("--jurisdiction", "KR", "--context", "education", "--mode", "presence")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = run("serve", *policy, "--port", port)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == (
        f"mien: The server could not start on 127.0.0.1:{port}: Address already in use."
    )


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"MODEL": "no-such-model"}, "mien: No model is called 'no-such-model'."),
        ({"DETECTOR": "no-such-detector"}, "mien: No detector is called 'no-such-detector'."),
        (
            {"TLS_CERTIFICATE": "none.pem", "TLS_KEY": "none.pem"},
            "mien: MIEN_CLASSROOM_TLS_CERTIFICATE and MIEN_CLASSROOM_TLS_KEY cannot be used: No such file",
        ),
        (
            {"TLS_CERTIFICATE": __file__, "TLS_KEY": __file__},
            "mien: MIEN_CLASSROOM_TLS_CERTIFICATE and MIEN_CLASSROOM_TLS_KEY cannot be used: [SSL]",
        ),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line_before_where_the_server_is(
    run, monkeypatch, free_port, variables, told
):
    monkeypatch.setattr("mien.classroom.server.forbid_crash_dumps", lambda: None)
    for name, value in variables.items():
        monkeypatch.setenv(f"MIEN_CLASSROOM_{name}", value)
    policy = ("--jurisdiction", "KR", "--context", "education", "--mode", "class")
    code, out, err = run("serve", *policy, "--port", free_port())
    assert (code, out) == (2, "")
    assert err.startswith(told)
    assert len(err.splitlines()) == 1


def test_a_report_is_written_and_its_reading_noted(run, lesson, tmp_path):
    code, out, _ = run("report", "abc", "--format", "json")
    assert code == 0
    assert json.loads(out)["aggregates"][0]["percent"] == {"away": 30, "steady": 70}
    assert run("report", "last", "--lang", "ko", "-o", tmp_path / "r.html")[0] == 0
    assert "분수" in (tmp_path / "r.html").read_text("utf-8")
    views = [(view["teacher"], view["action"]) for view in lesson.views("abc")]
    assert views == [("operator", "report json"), ("operator", "report html")]


@pytest.mark.usefixtures("lesson")
def test_a_csv_in_korean_opens_in_excel_as_the_page_s_own_does(run, tmp_path):
    file = tmp_path / "r.csv"
    assert run("report", "last", "--format", "csv", "--lang", "ko", "-o", file)[0] == 0
    assert file.read_bytes().startswith("\ufefftime_s,".encode())
    assert "분수" in file.read_text("utf-8-sig")
    assert run("report", "last", "--format", "csv")[1].startswith("time_s,")  # for other programs


@pytest.mark.usefixtures("lesson")
def test_an_unknown_lesson_names_the_newest(run):
    code, _, err = run("report", "xyz")
    assert code == 2
    assert "The store has no lesson 'xyz'. The newest are: abc (분수)." in err


@pytest.mark.usefixtures("lesson")
def test_purging_says_what_went(run):
    code, out, _ = run("purge")
    assert code == 0
    assert "windows: 0 deleted" in out
    assert "lessons: 0 deleted" in out


def test_simulating_needs_a_lesson_and_a_server(run, monkeypatch):
    code, _, err = run("simulate", "--students", 3)
    assert code == 2
    assert "Give --code of one that is open, or a teacher's key in MIEN_CLASSROOM_KEY." in err
    monkeypatch.setenv("MIEN_CLASSROOM_KEY", "0123456789abcdef")
    code, _, err = run("simulate", "--students", 3, "--url", "http://127.0.0.1:9")
    assert code == 2
    assert "http://127.0.0.1:9 does not answer" in err
    assert "Start it with: mien classroom serve" in err
