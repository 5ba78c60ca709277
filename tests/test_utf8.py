import json
import os

import pytest

from mien.utf8 import in_utf8, is_text, write_text

NAME = os.fsdecode(b"caf\xe9 \xea\xb0\x80")


def test_only_bytes_that_are_no_text_change():
    assert in_utf8(NAME) == "caf\\udce9 가"
    assert in_utf8("행복\n") == "행복\n"


@pytest.mark.parametrize(("name", "is_one"), [("행복", True), (NAME, False), ("a\0b", False)])
def test_text_is_told_from_other_bytes(name, is_one):
    assert is_text(name) is is_one


def test_a_name_in_json_can_be_turned_back(tmp_path):
    write_text(tmp_path / "x.json", json.dumps([NAME, "가"], ensure_ascii=False))
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == [NAME, "가"]
