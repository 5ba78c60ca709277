import pytest

from mien.service import metrics as module


@pytest.fixture
def left_by_the_dead(tmp_path, monkeypatch):
    """A worker that was at work when it was killed: its file."""
    monkeypatch.setattr(module, "_lives", lambda _: False)
    file = tmp_path / "gauge_livesum_7.db"
    file.touch()
    return file


def test_what_a_killed_worker_was_at_is_forgotten(left_by_the_dead):
    module._forget_dead_workers(left_by_the_dead.parent)
    assert not left_by_the_dead.exists()


def test_two_workers_that_are_asked_at_the_same_time_both_forget_it(left_by_the_dead, monkeypatch):
    forget = module.mark_process_dead

    def be_overtaken(pid, folder):
        monkeypatch.setattr("glob.glob", lambda _: [str(left_by_the_dead)])
        left_by_the_dead.unlink()
        forget(pid, folder)

    monkeypatch.setattr(module, "mark_process_dead", be_overtaken)
    module._forget_dead_workers(left_by_the_dead.parent)
    assert not left_by_the_dead.exists()
