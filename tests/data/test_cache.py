"""The cache: the same data comes back; damage, change, full disks and rivals do no harm."""

import errno
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from mien.data import cache, open_dataset
from mien.errors import DataError
from mien.paths import cache_dir


def entries():
    return sorted(entry.name for entry in (cache_dir() / "data").iterdir())


def same(first, second):
    return first.content_hash == second.content_hash and first.notes == second.notes


@pytest.fixture
def source(tmp_path, write_csv, write_votes):
    write_csv(tmp_path / "set" / "fer2013.csv")
    write_votes(tmp_path / "set" / "fer2013new.csv")
    return tmp_path / "set"


def test_what_was_read_comes_back_from_the_cache(source):
    first = open_dataset(source)
    second = open_dataset(source)
    assert len(entries()) == 1
    assert same(first, second)
    assert second.names.tolist() == first.names.tolist()
    assert (second.layout, second.label_names) == (first.layout, first.label_names)


def test_the_reader_runs_once(source, caplog):
    caplog.set_level(logging.INFO)
    open_dataset(source)
    open_dataset(source)
    assert [record.message for record in caplog.records] == [f"Reading {source} (csv)"]


def test_one_entry_serves_however_the_data_is_named(source, tmp_path, caplog, monkeypatch):
    (tmp_path / "link").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    open_dataset(source)
    caplog.set_level(logging.INFO)
    for name in ("set", "./set/", "../" + tmp_path.name + "/set", "link"):
        assert len(open_dataset(Path(name))) == len(open_dataset(source))
    monkeypatch.chdir(source)
    open_dataset(Path())
    assert caplog.records == []
    assert len(entries()) == 1


def test_without_the_cache_nothing_is_written(source):
    open_dataset(source, use_cache=False)
    assert not (cache_dir() / "data").exists()


def test_a_changed_file_is_read_anew_and_its_old_entry_goes(source):
    first = open_dataset(source)
    old = entries()
    text = (source / "fer2013.csv").read_text().splitlines()
    label = int(text[1][0])
    text[1] = f"{(label + 1) % 7}{text[1][1:]}"
    (source / "fer2013.csv").write_text("\n".join(text) + "\n")
    os.utime(source / "fer2013.csv", ns=(1, 1))
    second = open_dataset(source)
    assert second.labels[0] == (label + 1) % 7
    assert not same(first, second)
    assert len(entries()) == 1
    assert entries() != old


def test_every_size_has_its_own_entry(source):
    assert open_dataset(source).images.shape[1] == 48
    assert open_dataset(source, size=32).images.shape[1] == 32
    assert open_dataset(source).images.shape[1] == 48
    assert len(entries()) == 2


@pytest.mark.parametrize(
    "name", ["images.npy", "labels.npy", "split.npy", "votes.npy", "names.npy"]
)
def test_a_damaged_array_is_made_again(source, name, caplog):
    first = open_dataset(source)
    file = cache_dir() / "data" / entries()[0] / name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert same(open_dataset(source), first)
    assert "is damaged" in caplog.text
    caplog.clear()
    assert same(open_dataset(source), first)
    assert "is damaged" not in caplog.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("meta.json", b""),
        ("meta.json", b"[]"),
        ("meta.json", b'{"checksums": {}}'),
        ("images.npy", b""),
        ("images.npy", b"\x93NUMPY"),
        ("labels.npy", b"no array"),
    ],
)
def test_a_truncated_or_foreign_file_is_made_again(source, name, content, caplog):
    first = open_dataset(source)
    (cache_dir() / "data" / entries()[0] / name).write_bytes(content)
    assert same(open_dataset(source), first)
    assert "is damaged" in caplog.text
    assert len(entries()) == 1


def test_a_missing_array_is_made_again(source):
    first = open_dataset(source)
    (cache_dir() / "data" / entries()[0] / "votes.npy").unlink()
    assert same(open_dataset(source), first)
    assert (cache_dir() / "data" / entries()[0] / "votes.npy").is_file()


def test_a_full_disk_is_said_and_leaves_nothing_behind(source, caplog, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    assert len(open_dataset(source)) == 40
    assert "could not be cached in" in caplog.text
    assert "(No space left on device); it is read anew next time" in caplog.text
    assert entries() == []


def test_a_cache_folder_that_cannot_be_made_is_said(source, tmp_path, caplog, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "file"))
    assert len(open_dataset(source)) == 40
    assert "could not be cached in" in caplog.text


def test_writing_to_cached_images_never_reaches_the_cache(source):
    open_dataset(source)
    cached = open_dataset(source)
    before = cached.images.copy()
    cached.images[:] = 0
    np.testing.assert_array_equal(open_dataset(source).images, before)


def test_several_writers_leave_one_sound_entry(drawn, caplog):
    barrier = threading.Barrier(4)

    def store():
        barrier.wait()
        for _ in range(5):
            cache.store("aaaa-bbbb", drawn)

    writers = [threading.Thread(target=store) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert caplog.text == ""
    assert entries() == ["aaaa-bbbb"]
    assert cache.load("aaaa-bbbb").content_hash == drawn.content_hash


def test_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "x.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"x\.png cannot be read: .*a link to a file that is gone"):
        cache.entry_name(tmp_path, "folders", 48, [tmp_path / "x.png"])
