import os
import stat
import threading
from pathlib import Path

import pytest

from mien.errors import ConfigError, InputError
from mien.replacing import check_target, replacing, temporary_folder, whole_file, whole_folder


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


def test_a_link_to_a_file_without_an_ending_gives_a_path_with_its_own(tmp_path):
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "real")
    with replacing(link) as partial:
        assert partial.suffix == ".mp4"
        partial.write_text("new")
    assert (tmp_path / "real").read_text() == "new"


def test_a_link_to_itself_is_replaced(tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(link)
    with replacing(link) as partial:
        partial.write_text("new")
    assert link.read_text() == "new"


def test_a_secret_is_its_owner_s_alone_from_the_first_byte(tmp_path):
    with replacing(tmp_path / "keys.json", mode=0o600) as partial:
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        partial.write_text("secret")
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(("is_kept", "left"), [(True, "half of"), (False, "old")])
def test_what_was_interrupted_is_kept_where_that_is_wanted(tmp_path, is_kept, left):
    file = tmp_path / "table.csv"
    file.write_text("old")

    def tear():
        with replacing(file, keep=lambda: is_kept) as partial:
            partial.write_text("half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tear()
    assert file.read_text() == left
    assert names(tmp_path) == ["table.csv"]


def test_nothing_is_replaced_where_there_turns_out_to_be_nothing(tmp_path):
    with replacing(tmp_path / "film.mp4", keep=lambda: False):
        pass
    assert names(tmp_path) == []


def test_bytes_are_on_the_disk_before_the_name_and_the_name_at_the_end(tmp_path, monkeypatch):
    file = tmp_path / "weights"
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda _: flushed.append(file.exists()))
    with replacing(file, flush=True) as partial:
        partial.write_text("all of it")
    assert flushed == [False, True]


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


def test_a_file_appears_at_the_end_and_replaces_an_earlier_one(tmp_path):
    file = tmp_path / "new" / "a.txt"
    with whole_file(file) as partial:
        partial.write_text("first")
        assert not file.exists()
    with whole_file(file) as partial:
        partial.write_text("second")
        assert file.read_text() == "first"
    assert file.read_text() == "second"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_fails_leaves_nothing(tmp_path):
    def fail():
        with whole_file(tmp_path / "a.txt") as partial:
            partial.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_at_the_end_also_over_an_empty_one(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with whole_folder(folder) as partial:
        (partial / "a").write_text("x")
        assert list(folder.iterdir()) == []
    assert [file.name for file in folder.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_has_the_rights_of_any_new_folder(tmp_path):
    with whole_folder(tmp_path / "out"):
        pass
    (tmp_path / "other").mkdir()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("out", "other")]
    assert modes[0] == modes[1]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def fail():
        with whole_folder(tmp_path / "out") as partial:
            (partial / "a").write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("mine")
    with pytest.raises(InputError, match="full is not empty; nothing is overwritten"):
        whole_folder(tmp_path / "full").__enter__()
    with pytest.raises(InputError, match="full/a is a file; expected a new folder"):
        whole_folder(tmp_path / "full" / "a").__enter__()
    with pytest.raises(InputError, match="full is a folder; expected the name of a file"):
        whole_file(tmp_path / "full").__enter__()
    assert (tmp_path / "full" / "a").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", r"--json .* is a folder\. Name a file\."),
        ("file/x.json", r"--json .*file/x\.json cannot be written: .*file is no folder\."),
        ("file/new/x.json", r"x\.json cannot be written: .*file is no folder\."),
        (f"{300 * 'x'}.json", r"\.json cannot be written: File name too long\."),
    ],
)
def test_a_place_that_cannot_be_written_is_said_beforehand_too(tmp_path, name, message):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=message):
        check_target(tmp_path / name, "--json")


@pytest.mark.parametrize(
    ("name", "suffixes", "message"),
    [
        ("t.txt", (".png",), r"--out .*t\.txt ends in '\.txt'; expected \.png\."),
        ("t.txt", (".a", ".b", ".c"), r"ends in '\.txt'; expected \.a, \.b or \.c\."),
        ("t", (".a", ".b"), r"--out .*t has no ending; expected \.a or \.b\."),
    ],
)
def test_another_ending_is_said_beforehand(tmp_path, name, suffixes, message):
    with pytest.raises(ConfigError, match=message):
        check_target(tmp_path / name, "--out", suffixes)


def test_a_place_that_can_be_written_is_left_as_it_is(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone" / "t.csv")
    check_target(tmp_path / "new" / "deep" / "T.CSV", "--table", (".csv",))
    check_target(tmp_path / "link.csv", "--table")
    assert names(tmp_path) == ["link.csv"]


def test_a_folder_that_is_read_only_is_said_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(ConfigError, match="is read-only for this user"):
        check_target(tmp_path / "new" / "x.json", "--json")
    check_target(Path(os.devnull), "--json")


@pytest.mark.parametrize("way", [whole_file, whole_folder])
def test_a_place_that_cannot_be_written_is_said(tmp_path, way):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file/deep/x cannot be written: "):
        way(tmp_path / "file" / "deep" / "x").__enter__()


def test_a_temporary_folder_is_its_owners_alone_and_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder("mien-test-") as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "a").touch()
    assert list(tmp_path.iterdir()) == []


def test_where_no_temporary_folder_can_be_made_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with (
        pytest.raises(
            ConfigError, match=r"No folder for temporary files can be made: No such .* TMPDIR\."
        ),
        temporary_folder("mien-test-"),
    ):
        pass
