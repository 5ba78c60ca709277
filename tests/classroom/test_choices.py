"""What students chose, in memory and in a store that is slow to answer."""

import asyncio
import gc
import threading
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from mien.classroom import store_threads
from mien.classroom.choices import Choices
from mien.classroom.lessons import LiveLesson, new_signals
from mien.classroom.policy import decide
from mien.classroom.records import LessonRecord, ParticipantRecord
from mien.classroom.signals import load_mapping
from mien.classroom.store import StoreError
from mien.classroom.store_threads import StoreThreads

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class SlowStore:
    """Its first answer comes when it may; what it was given is kept in the order in which it was done."""

    def __init__(self):
        self.done, self.is_asked, self.go_on = [], False, threading.Event()

    def set_camera(self, record):
        self._wait_at_first()
        self.done.append((record.camera, record.research))

    def set_research(self, _, agreed):
        self._wait_at_first()
        self.done.append(("research", agreed))

    def _wait_at_first(self):
        if not self.is_asked:
            self.is_asked = True
            assert self.go_on.wait(60)


@pytest.fixture
def slow():
    """A slow store, choices that are kept there, and a lesson with one student."""
    decision, mapping = decide("KR", "research", "research"), load_mapping()
    lesson = LiveLesson(
        LessonRecord(
            id="l", teacher="kim", title="t", code="C", decision=decision.as_dict(), mapping=mapping.id,
            started_at=NOW,
        ),
        decision, new_signals(decision, mapping), lambda: NOW,
    )  # fmt: skip
    record = ParticipantRecord(
        id="s", lesson="l", tag=None, camera="frames", consent="v1", research=False, joined_at=NOW
    )
    student, store, threads = lesson.add(record), SlowStore(), StoreThreads()
    yield store, Choices(store, threads, lambda *_: (lesson, student)), lesson, student
    store.go_on.set()
    threads.close()


async def settle(choices, monkeypatch):
    """Give the store all the time it needs."""
    monkeypatch.setattr(store_threads, "ASK_S", 60)
    await choices.write_late()
    await choices.write_late()  # what the first round had to wait for


@pytest.mark.parametrize("first", ["frames", "research"])
def test_what_the_store_does_after_it_was_given_up_is_not_what_stays(slow, monkeypatch, first):
    store, choices, lesson, student = slow
    monkeypatch.setattr(store_threads, "ASK_S", 0.1)

    async def choose():
        if first == "frames":
            await choices.change_camera(lesson, student, "frames", "v1")
        else:
            await choices.change_research(student.record, True)

    async def choose_and_stop():
        with pytest.raises(StoreError, match="has not answered within"):
            await choose()
        with suppress(StoreError):
            await choices.change_camera(lesson, student, "none", None)
        store.go_on.set()
        await settle(choices, monkeypatch)

    asyncio.run(choose_and_stop())
    choices._threads._requests.shutdown()  # whatever was given up is done
    assert store.done[-1] == (student.record.camera, student.record.research) == ("none", False)


def test_consent_that_a_page_was_told_had_failed_is_not_kept(slow, monkeypatch):
    store, choices, _, student = slow
    monkeypatch.setattr(store_threads, "ASK_S", 0.1)

    async def agree():
        with pytest.raises(StoreError):
            await choices.change_research(student.record, True)
        store.go_on.set()
        await settle(choices, monkeypatch)

    asyncio.run(agree())
    choices._threads._requests.shutdown()
    assert not student.record.research
    assert store.done == [("research", True), ("frames", False)]


def test_what_fails_after_it_was_given_up_is_no_fault_of_ours(slow, monkeypatch, caplog):
    store, choices, lesson, student = slow
    monkeypatch.setattr(store_threads, "ASK_S", 0.1)

    def fail(_):
        assert store.go_on.wait(60)
        raise StoreError("gone")

    async def begin():
        with monkeypatch.context() as away:
            away.setattr(store, "set_camera", fail)
            with pytest.raises(StoreError, match="has not answered within"):
                await choices.change_camera(lesson, student, "frames", "v1")
        store.is_asked = True
        store.go_on.set()
        await settle(choices, monkeypatch)

    asyncio.run(begin())
    gc.collect()
    assert store.done == [("frames", False)]
    assert caplog.messages == []


def test_many_who_wait_for_a_store_are_answered_at_once_and_not_one_after_the_other(
    slow, monkeypatch
):
    _, choices, lesson, student = slow
    monkeypatch.setattr(store_threads, "ASK_S", 2)

    async def stop_often():
        stopping = [
            asyncio.ensure_future(choices.change_camera(lesson, student, "none", None))
            for _ in range(8)
        ]
        await asyncio.wait(stopping, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(1)
        return [one.done() and isinstance(one.exception(), StoreError) for one in stopping]

    assert asyncio.run(stop_often()) == [True] * 8
