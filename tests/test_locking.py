import errno
import os

from mien.locking import try_lock


def test_a_file_is_locked_once_until_it_is_closed(tmp_path):
    (tmp_path / "file").write_text("")
    with (tmp_path / "file").open("r+b") as first:
        assert try_lock(first)
        with (tmp_path / "file").open("r+b") as second:
            assert not try_lock(second)
    with (tmp_path / "file").open("r+b") as third:
        assert try_lock(third)


def test_where_there_are_no_locks_nobody_is_kept_out(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / "file").write_text("")
    with (tmp_path / "file").open("r+b") as file:
        assert try_lock(file)
