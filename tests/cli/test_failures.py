import errno
import os
import sys

import pytest

from mien import cli
from mien.cli.failures import one_line, say_system_error


@pytest.mark.parametrize(
    "name", ["얼굴\u3000하나.jpg", "10.00\u202fPM\xa0.png", "می\u200cروم", "👨\u200d👧.jpg"]
)
def test_names_as_people_write_them_are_shown_as_they_are(name):
    assert one_line(name) == name


@pytest.mark.parametrize("letter", "\n\r\t\0\x1b\x85\x7f\u2028\u2029\u202e\u2066\ufeff\udcb1")
def test_what_moves_the_cursor_or_is_no_text_is_replaced(letter):
    assert one_line(f"a{letter}b") == "a\ufffdb"


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "--model", "a" * 300, "face.png"],
        ["export", "a" * 300],
        ["evaluate", "mien-s", "--data", "a" * 300],
    ],
)
def test_a_name_that_none_can_have_is_said_in_one_line(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mien", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"mien: {'a' * 300} cannot be used: File name too long.\n"


def test_a_path_that_must_not_be_entered_is_said_in_one_line(capsys):
    closed = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "closed/x.onnx")
    assert say_system_error(closed)
    assert capsys.readouterr().err == "mien: closed/x.onnx cannot be used: Permission denied.\n"
    assert not say_system_error(OSError(errno.EIO, "of a disk", "x.onnx"))
    assert not say_system_error(PermissionError(errno.EACCES, "of a port"))
