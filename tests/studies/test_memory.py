"""Linux says how often it has killed for memory; elsewhere nothing is known and nothing is claimed."""

import pytest

from mien.studies.memory import MemoryKills, memory_kills


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("one-two\n")
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 3\n")
    return tmp_path


def test_the_count_is_read_with_what_it_is_of(proc):
    assert memory_kills(proc) == MemoryKills(boot="one-two", count=3)


def test_without_the_count_nothing_is_known(proc, tmp_path):
    (proc / "vmstat").write_text("nr_free_pages 12\n")
    assert memory_kills(proc) is None
    assert memory_kills(tmp_path / "no") is None


def test_a_rise_counts_on_the_same_machine_and_start_only():
    now = MemoryKills(boot="a", count=4)
    assert now.since(MemoryKills(boot="a", count=3))
    assert not now.since(MemoryKills(boot="a", count=4))
    assert not now.since(MemoryKills(boot="b", count=3))
    assert not now.since(None)
