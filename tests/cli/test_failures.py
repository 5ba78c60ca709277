import pytest

from mien.cli.failures import one_line


@pytest.mark.parametrize(
    "name", ["얼굴\u3000하나.jpg", "10.00\u202fPM\xa0.png", "می\u200cروم", "👨\u200d👧.jpg"]
)
def test_names_as_people_write_them_are_shown_as_they_are(name):
    assert one_line(name) == name


@pytest.mark.parametrize("letter", "\n\r\t\0\x1b\x85\x7f\u2028\u2029\u202e\u2066\ufeff\udcb1")
def test_what_moves_the_cursor_or_is_no_text_is_replaced(letter):
    assert one_line(f"a{letter}b") == "a\ufffdb"
