import asyncio
import threading

import pytest

from mien.classroom.workers import FrameRefusedError, Workers
from mien.errors import ImageError, ModelFileError

RELEASE, LOOKING, GO_ON = threading.Event(), threading.Event(), threading.Event()


def build():
    """A reader that a certain picture stops, and another one breaks."""
    seen = []

    def read(data):
        if data == b"no picture":
            raise ImageError("A frame is no JPEG.")
        if data == b"poison":
            raise MemoryError("POISON-PIXELS")
        if data == b"endless":
            RELEASE.wait(60)
        if data == b"slow":
            LOOKING.set()
            GO_ON.wait(60)
        seen.append(data)
        return len(seen)

    return read


async def ask(workers, data):
    return await workers.answer(await workers.free(), data)


def run(scenario, **options):
    async def whole():
        workers = Workers(build, 1, **options)
        await workers.start()
        try:
            return await scenario(workers)
        finally:
            await workers.stop()

    return asyncio.run(whole())


def test_one_reader_answers_one_after_the_other():
    async def scenario(workers):
        return [await ask(workers, b"a"), await ask(workers, b"b"), workers.replaced]

    assert run(scenario) == [1, 2, 0]


def test_what_is_no_picture_leaves_the_worker_alone():
    async def scenario(workers):
        await ask(workers, b"a")
        with pytest.raises(FrameRefusedError, match="A frame is no JPEG"):
            await ask(workers, b"no picture")
        return [await ask(workers, b"b"), workers.replaced]

    assert run(scenario) == [2, 0]


def test_a_poison_image_has_its_worker_replaced_and_is_not_quoted(caplog):
    told = []

    async def scenario(workers):
        workers.on_replaced = lambda: told.append(1)
        await ask(workers, b"a")
        with pytest.raises(FrameRefusedError, match="could not be looked at"):
            await ask(workers, b"poison")
        return [await ask(workers, b"b"), workers.replaced]

    assert run(scenario) == [1, 1]  # a fresh reader has seen only one
    assert told == [1]
    assert "A frame stopped its worker (MemoryError)" in caplog.text
    assert "POISON" not in caplog.text


def test_a_hanging_worker_is_given_up_after_a_while():
    async def scenario(workers):
        with pytest.raises(FrameRefusedError):
            await ask(workers, b"endless")
        workers._timeout_s = 60  # patience for the next, who does not hang
        return [await ask(workers, b"b"), workers.replaced, RELEASE.is_set()]

    try:
        assert run(scenario, timeout_s=0.1) == [
            1,
            1,
            False,
        ]  # another thread, while the first hangs
    finally:
        RELEASE.set()


def test_threads_end_with_the_server_and_with_what_they_look_at(monkeypatch):
    monkeypatch.setattr("mien.classroom.workers.STOP_S", 60)
    before = set(threading.enumerate())

    async def scenario(workers):
        looking = asyncio.create_task(ask(workers, b"slow"))
        await asyncio.to_thread(LOOKING.wait, 60)
        assert not looking.done()
        looking.cancel()
        asyncio.get_running_loop().call_later(0.3, GO_ON.set)  # while the end waits for it

    run(scenario)
    assert not any(t.name == "recognise" for t in set(threading.enumerate()) - before)


def test_a_model_that_cannot_be_opened_is_an_error_at_the_start():
    def broken():
        raise ModelFileError("There is no model file x.")

    with pytest.raises(ModelFileError, match="no model file x"):
        asyncio.run(Workers(broken, 1).start())


def builder(*outcomes):
    """What is built one after the other: a reader, or an error; the last one for ever."""
    left = list(outcomes)

    def build_next():
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if outcome is not build:
            raise outcome
        return build()

    return build_next


def test_a_recogniser_that_cannot_be_built_again_is_tried_until_it_can(monkeypatch, caplog):
    monkeypatch.setattr("mien.classroom.workers.REBUILD_AFTER_S", 0.01)
    gone, full = ModelFileError("There is no model file x."), MemoryError("2 GiB")

    async def scenario():
        workers = Workers(builder(build, gone, full, build), 1)
        await workers.start()
        with pytest.raises(FrameRefusedError, match="could not be looked at"):
            await ask(workers, b"poison")
        async with asyncio.timeout(60):
            answer = await ask(workers, b"b")
        await workers.stop()
        return answer, workers.replaced

    assert asyncio.run(scenario()) == (1, 1)
    assert "could not be built (ModelFileError: There is no model file x.)" in caplog.text
    assert "could not be built (MemoryError: 2 GiB)" in caplog.text


@pytest.mark.parametrize("after_s", [0.01, 60])
def test_the_server_ends_while_a_recogniser_is_still_tried(monkeypatch, caplog, after_s):
    monkeypatch.setattr("mien.classroom.workers.REBUILD_AFTER_S", after_s)
    before = set(threading.enumerate())

    async def scenario():
        workers = Workers(builder(build, ModelFileError("There is no model file x.")), 1)
        await workers.start()
        with pytest.raises(FrameRefusedError):
            await ask(workers, b"poison")
        await asyncio.sleep(0.1)
        await workers.stop()
        await asyncio.sleep(0.1)  # what a thread still says is heard by nobody, and is no error

    asyncio.run(scenario())
    assert not any(t.name == "recognise" for t in set(threading.enumerate()) - before)
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_the_server_ends_with_a_recogniser_that_is_just_being_built(monkeypatch, caplog):
    monkeypatch.setattr("mien.classroom.workers.STOP_S", 60)
    started, go_on = threading.Event(), threading.Event()
    before = set(threading.enumerate())

    def build_slowly():
        if started.is_set():  # the second
            go_on.wait(60)
        started.set()
        return build()

    async def scenario():
        workers = Workers(build_slowly, 1)
        await workers.start()
        with pytest.raises(FrameRefusedError):
            await ask(workers, b"poison")
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().call_later(0.3, go_on.set)  # while the end waits for it
        await workers.stop()
        await asyncio.sleep(0.1)

    asyncio.run(scenario())
    assert not any(t.name == "recognise" for t in set(threading.enumerate()) - before)
    assert not [record for record in caplog.records if record.name == "asyncio"]
