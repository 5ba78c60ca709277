import pytest

from mien.errors import ConfigError
from mien.tables import parse_json, parse_toml, read_json, read_toml

DEEP = "[" * 100_000


def test_a_byte_order_mark_is_passed_over(tmp_path):
    file = tmp_path / "marked"
    file.write_bytes(b"\xef\xbb\xbf[3]")
    assert read_json(file) == [3]
    file.write_bytes(b"\xef\xbb\xbfx = 3")
    assert read_toml(file, "recipe") == {"x": 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"x = {DEEP}", "it is nested too deeply"),
        (f"x = {'1' * 5000}", "Exceeds the limit"),
        ("x =", "Invalid value"),
    ],
)
def test_what_is_no_toml_is_said_to_be_none(tmp_path, text, reason):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=rf"The recipe .*mine.toml is not valid TOML: {reason}"):
        read_toml(file, "recipe")


def test_a_file_that_is_no_text_cannot_be_read(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read: 'utf-8' codec"):
        read_toml(file, "recipe")


@pytest.mark.parametrize("parse", [parse_json, parse_toml])
def test_what_is_nested_too_deeply_is_a_wrong_value(parse):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(DEEP if parse is parse_json else f"x = {DEEP}")
