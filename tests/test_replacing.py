import os
import threading
from pathlib import Path

import pytest

from mien.replacing import replacing


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def test_the_file_is_there_at_the_end_and_not_before(tmp_path):
    file = tmp_path / "new" / "table.csv"
    with replacing(file) as partial:
        partial.write_text("all of it")
        assert partial.suffix == ".csv"
        assert not file.exists()
    assert file.read_text() == "all of it"
    assert names(file.parent) == ["table.csv"]


def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("old")

    def tear():
        with replacing(file) as partial:
            partial.write_text("half of")
            raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        tear()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    file, link = tmp_path / "elsewhere" / "table.csv", tmp_path / "link.csv"
    file.write_text("old")
    link.symlink_to(file)
    with replacing(link) as partial:
        partial.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert names(file.parent) == ["table.csv"]


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with replacing(pipe) as partial:
        partial.write_text("through it")
    reader.join(60)
    assert read == ["through it"]
    assert pipe.is_fifo()
