import asyncio
import errno
import socket
from contextlib import ExitStack

import pytest

from mien.service import door as module
from mien.service.door import Board, Crowd, Door, bind


class Connection(asyncio.Protocol):
    def __init__(self, connections):
        self.connections = connections

    def connection_made(self, transport):
        self.connections.add(self)
        transport.write(b"in")

    def connection_lost(self, _exc):
        self.connections.discard(self)


class Callers:
    """One process with several doors to the same address, and those who call there."""

    def __init__(self, path, listener, sockets):
        self.path, self.num_processes = path, 2
        self.listener = listener
        self._sockets = sockets
        self._writers = []

    def door(self, place, listener=None):
        """Return the door of one of the processes, and the connections that came through it."""
        connections = set()
        own = self._sockets.enter_context(listener or self.listener.dup())
        crowd = Crowd(Board(self.path, self.num_processes), place, self.num_processes)
        return Door(own, lambda: Connection(connections), connections, crowd), connections

    async def call(self, times):
        """Open so many connections at once."""
        await asyncio.gather(*(self._enter() for _ in range(times)))

    async def _enter(self):
        reader, writer = await asyncio.open_connection(*self.listener.getsockname())
        self._writers.append(writer)
        assert await asyncio.wait_for(reader.readexactly(2), 30) == b"in"

    async def leave(self):
        for writer in self._writers:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
def with_callers(tmp_path):
    """Return a function that runs a coroutine function with callers, and returns what it returns."""

    def run(scene):
        async def play(callers):
            try:
                return await scene(callers)
            finally:
                await callers.leave()

        with bind("127.0.0.1", 0) as listener, ExitStack() as sockets:
            return asyncio.run(play(Callers(tmp_path / "counts", listener, sockets)))

    return run


def test_the_one_with_fewer_connections_lets_the_next_caller_in(with_callers):
    async def scene(callers):
        doors = [callers.door(place) for place in (0, 1)]
        for door, _ in doors:
            door.open()
        await callers.call(40)
        return [len(connections) for _, connections in doors]

    assert with_callers(scene) == [20, 20]


def test_a_process_that_comes_back_gets_callers_until_it_has_as_many(with_callers, monkeypatch):
    monkeypatch.setattr(module, "_POLITE_S", 60)

    async def scene(callers):
        first, mine = callers.door(0)
        second, theirs = callers.door(1)
        first.open()
        second.open()
        second.close()
        await callers.call(8)
        assert (len(mine), len(theirs)) == (8, 0)
        second.open()
        await callers.call(8)
        return len(mine), len(theirs)

    assert with_callers(scene) == (8, 8)


def test_a_process_that_does_not_look_costs_callers_moments_until_it_is_given_up(
    with_callers, monkeypatch
):
    async def scene(callers):
        callers.door(1)  # has no connection and takes none: it starts, hangs, or was killed
        door, connections = callers.door(0)
        door.open()
        await callers.call(11)  # the first one is nobody's loss, the others use patience up
        monkeypatch.setattr(module, "_POLITE_S", 60)
        await callers.call(5)
        return len(connections)

    assert with_callers(scene) == 16


def test_several_processes_give_up_one_that_does_not_look(with_callers, monkeypatch):
    async def scene(callers):
        callers.num_processes = 4
        callers.door(3)
        doors = [callers.door(place) for place in range(3)]
        for door, _ in doors:
            door.open()
        monkeypatch.setattr(module, "_POLITE_S", 0.003)
        for _ in range(60):
            await callers.call(1)
        monkeypatch.setattr(module, "_POLITE_S", 60)
        await callers.call(9)
        return [len(connections) for _, connections in doors]

    assert sum(with_callers(scene)) == 69


def test_a_process_that_was_given_up_gets_callers_as_soon_as_it_shows_that_it_lives(
    with_callers, monkeypatch
):
    async def scene(callers):
        second, theirs = callers.door(1)
        first, mine = callers.door(0)
        first.open()
        await callers.call(20)
        assert (len(mine), len(theirs)) == (20, 0)
        monkeypatch.setattr(module, "_POLITE_S", 60)
        second.open()
        second._crowd.beat()
        await callers.call(20)
        return len(mine), len(theirs)

    assert with_callers(scene) == (20, 20)


def test_a_closed_door_lets_nobody_in_and_its_connections_stay(with_callers):
    async def scene(callers):
        first, mine = callers.door(0)
        second, theirs = callers.door(1)
        first.open()
        second.open()
        await callers.call(4)
        first.close()
        first.close()  # a second time does nothing
        await callers.call(6)
        return len(mine), len(theirs)

    assert with_callers(scene) == (2, 8)


def test_who_was_entering_when_the_door_closed_does_not_bring_it_back(with_callers):
    async def scene(callers):
        door, connections = callers.door(0)
        door.open()
        calling = asyncio.create_task(callers.call(1))
        while not door._entering:
            await asyncio.sleep(0)
        door.close()
        await calling
        assert len(connections) == 1
        await asyncio.sleep(0)
        return not Crowd(Board(callers.path, 2), 1, 2).with_fewer(1000)

    assert with_callers(scene)


def test_the_last_one_lets_in_who_waits_and_turns_away_who_comes_later(with_callers):
    async def scene(callers):
        first, mine = callers.door(0)
        second, theirs = callers.door(1)
        first.open()
        second.open()
        await callers.call(2)
        Board(callers.path, 2).end()
        first.close()
        waiting = [socket.create_connection(callers.listener.getsockname()) for _ in range(5)]
        second.close()  # before its loop has seen anyone
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(callers.listener.getsockname())
        while len(theirs) < 6:
            await asyncio.sleep(0.01)
        heard = [connection.recv(2) for connection in waiting]
        for connection in waiting:
            connection.close()
        return len(mine), len(theirs), heard

    assert with_callers(scene) == (1, 6, [b"in"] * 5)


def test_the_last_one_leaves_the_door_to_those_who_come_after_it(with_callers):
    async def scene(callers):
        doors = [callers.door(place)[0] for place in (0, 1)]
        for door in doors:
            door.open()
        for door in doors:
            door.close()
        later, connections = callers.door(0)
        later.open()
        await callers.call(3)
        return len(connections)

    assert with_callers(scene) == 3


class OutOfFiles(socket.socket):
    refusals = 2

    def accept(self):
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_too_many_open_files_are_waited_out(with_callers, monkeypatch, caplog):
    monkeypatch.setattr(module, "_OUT_OF_FILES_S", 0.05)
    monkeypatch.setattr(module, "_POLITE_S", 0)

    async def scene(callers):
        door, connections = callers.door(0, OutOfFiles(fileno=callers.listener.dup().detach()))
        door.open()
        await callers.call(1)
        return len(connections)

    assert with_callers(scene) == 1
    assert caplog.text.count("No connection can be let in") == 2
