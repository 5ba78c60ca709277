"""The other side of the protocol, for simulated lessons: a teacher who lets everybody in, students who send what a script says."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from mien.classroom.protocol import Kind, encode
from mien.errors import MienError

__all__ = ["ClientError", "Sending", "SimulatedStudent", "SimulatedTeacher", "ask"]

Payload = tuple[Kind, bytes]
ANSWER_TIMEOUT_S = 10.0
_LET_IN_EVERY_S = 0.4
STAY_SIGNED_IN_S = 240.0
"""A teacher's token lives an hour after its last use, and sockets do not use it; pages ask as often."""
_TOKEN_IS_OVER = 4003
_IS_OVER = (1000, 4002, 4004)
"""The lesson has ended, the seat is gone, the lesson had ended before: whoever comes back to that is sent away again."""
_JOIN_PATIENCE_S = 300.0


class ClientError(MienError):
    """The server refused something, or cannot be reached."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Say what happened, and with which status the server refused it, if it did."""
        super().__init__(message)
        self.status = status


def ask(base: str, method: str, path: str, token: str | None = None, body: object = None) -> Any:
    """Ask a running server.

    Raises:
        ClientError: If it refuses, in its own words, or does not answer.
    """
    if not base.startswith(("http://", "https://")):
        raise ClientError(f"{base} is no address of a server; expected http://… or https://…")
    headers = {"origin": base, "content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        raise ClientError(f"{method} {path}: {_told(error)}", error.code) from None
    except OSError as error:
        raise ClientError(
            f"{base} does not answer: {error}. Start it with: mien classroom serve"
        ) from None
    except (HTTPException, ValueError) as error:  # it speaks something else, or no JSON
        raise ClientError(
            f"{base} is no live class ({type(error).__name__}). Give the address that mien classroom serve has printed."
        ) from None


def _told(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (ValueError, KeyError, TypeError, HTTPException):
        return f"status {error.code}"


def _code_of(closed: ConnectionClosed) -> int | None:
    """With which code the server closed; None if the connection broke."""
    return closed.rcvd.code if closed.rcvd is not None else None


@asynccontextmanager
async def _open(base: str, path: str, hello: str) -> AsyncIterator[ClientConnection]:
    address = base.replace("http", "ws", 1) + path
    # Whoever comes back late in a long lesson is told all of it in one message.
    opening = connect(address, origin=base, compression=None, max_queue=64, max_size=None)  # type: ignore[arg-type]
    async with opening as socket:
        await socket.send(encode(Kind.HELLO, 0, 0, hello.encode()))
        yield socket


class SimulatedTeacher:
    """Opens a lesson and lets everybody in who waits."""

    def __init__(self, base: str, key: str) -> None:
        """Sign in and open a lesson; blocks."""
        self.base = base
        self.token = ask(base, "POST", "/api/sign-in", body={"key": key})["token"]
        body = {"title": "Simulated lesson"}
        self.lesson = ask(base, "POST", "/api/lessons", self.token, body)
        self._waiting: list[str] = []

    async def run(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Let students in until the lesson ends; ``tell`` gets every message of the class.

        Raises:
            ClientError: If the server does not let anybody in.
        """
        letting_in = asyncio.create_task(self._let_in())
        watching = asyncio.create_task(self._watch(tell))
        try:
            await asyncio.wait((letting_in, watching), return_when=asyncio.FIRST_COMPLETED)
            if not watching.done():
                letting_in.result()
        finally:
            for task in (letting_in, watching):
                task.cancel()
            await asyncio.gather(letting_in, watching, return_exceptions=True)

    async def _watch(self, tell: Callable[[dict[str, Any]], None]) -> None:
        while True:
            hello = f"{self.token} {self.lesson['id']}"
            try:
                async with _open(self.base, "/ws/teacher", hello) as socket:
                    async for text in socket:
                        message = json.loads(text)
                        if message["type"] == "room":
                            self._waiting = [one["id"] for one in message["waiting"]]
                        tell(message)
                return
            except ConnectionClosed as closed:
                if _code_of(closed) in _IS_OVER:
                    return
            except (OSError, WebSocketException):
                pass
            await asyncio.sleep(0.5)

    async def _let_in(self) -> None:
        """Let in whoever waits, several at a time as a person would: a request for each is too many for the server."""
        path = f"/api/lessons/{self.lesson['id']}"
        asked_s = time.monotonic()
        while True:
            await asyncio.sleep(_LET_IN_EVERY_S)
            if ids := self._waiting:
                self._waiting = []
                body = {"participants": ids}
                await asyncio.to_thread(ask, self.base, "POST", f"{path}/admit", self.token, body)
            if time.monotonic() - asked_s > STAY_SIGNED_IN_S:
                asked_s = time.monotonic()
                await asyncio.to_thread(ask, self.base, "GET", path, self.token)

    async def end(self) -> None:
        """End the lesson, unless somebody has."""
        path = f"/api/lessons/{self.lesson['id']}/end"
        try:
            await asyncio.to_thread(ask, self.base, "POST", path, self.token)
        except ClientError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise


@dataclass(frozen=True, slots=True)
class Sending:
    """Something to send, and when."""

    time_s: float
    """Since the student was let in."""
    payload: Payload


@dataclass(slots=True)
class SimulatedStudent:
    """One student: waits for each answer before the next message, keeps the pace, comes back after a break."""

    base: str
    code: str
    camera: str
    consent: str
    sendings: Iterator[Sending]
    frame_s: float
    """Between two frames of the script. One that may not be sent yet is sent as soon as it may, as pages do, and left out
    only if the next one is due by then."""
    keeps_pace: bool = True
    """Whether the server's pace is heeded; False is for overload."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """What the server said of each message; ``unsent``: skipped for the pace; ``unanswered``: the connection broke."""
    latencies_s: list[float] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    token: str = ""
    participant: str = ""
    receipt: str = ""
    _start_s: float | None = None
    _pace_s: float = 0.0

    async def join(self) -> None:
        """Ask to be let in; where many come from one address, wait for a turn."""
        body = {"code": self.code, "camera": self.camera, "consent": self.consent}
        patient_until_s = time.monotonic() + _JOIN_PATIENCE_S
        while True:
            try:
                joined = await asyncio.to_thread(ask, self.base, "POST", "/api/join", None, body)
                break
            except ClientError as error:
                if (
                    error.status != HTTPStatus.TOO_MANY_REQUESTS
                    or time.monotonic() > patient_until_s
                ):
                    raise
            await asyncio.sleep(1)
        self.token, self.participant = joined["token"], joined["participant"]
        self.receipt = joined["receipt"]

    async def run(self, until_s: float) -> None:
        """Take part until a time of the monotonic clock, or until the lesson is over."""
        while time.monotonic() < until_s:
            try:
                async with _open(self.base, "/ws/student", self.token) as socket:
                    if await self._take_part(socket, until_s):
                        return
            except ConnectionClosed as closed:
                if _code_of(closed) in _IS_OVER:
                    return
                if _code_of(closed) == _TOKEN_IS_OVER:
                    await self._renew()
            except (OSError, WebSocketException, TimeoutError):
                pass
            self.reconnects += 1
            await asyncio.sleep(0.3)

    async def _renew(self) -> None:
        """Get another token, as pages do by the receipt."""
        body = {"receipt": self.receipt}
        with suppress(ClientError):  # it is tried again
            renewed = await asyncio.to_thread(ask, self.base, "POST", "/api/receipt", None, body)
            self.token = renewed["token"]

    async def _take_part(self, socket: ClientConnection, until_s: float) -> bool:
        """Return whether there is nothing more to send."""
        sequence = await self._enter(socket, until_s)
        sent_s = 0.0
        for sending in self.sendings:
            assert self._start_s is not None
            due_s = self._start_s + sending.time_s
            if due_s >= until_s:
                return True
            is_tap = sending.payload[0] is Kind.TAP  # the pace is for what cameras give
            if self.keeps_pace and not is_tap:
                allowed_s = sent_s + self._pace_s
                if allowed_s >= due_s + self.frame_s:
                    self.outcomes["unsent"] += 1
                    continue
                due_s = max(due_s, allowed_s)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            sequence += 1
            sent_s = sent_s if is_tap else time.monotonic()
            await self._send(socket, sequence, sending.payload)
        return True

    async def _enter(self, socket: ClientConnection, until_s: float) -> int:
        sequence = 0
        async with asyncio.timeout(max(0.1, until_s - time.monotonic())):
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "welcome":
                    sequence = int(message["sequence"])
                    self._pace_s = message["pace_ms"] / 1000
                if message.get("admitted") or message["type"] == "admitted":
                    break
        if self._start_s is None:
            self._start_s = time.monotonic()
        return sequence

    async def _send(self, socket: ClientConnection, sequence: int, payload: Payload) -> None:
        began = time.perf_counter()
        kind, data = payload
        try:
            await socket.send(encode(kind, sequence, int(time.time() * 1000), data))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                message = await self._answer(socket, sequence)
        except BaseException:
            self.outcomes["unanswered"] += 1
            raise
        self.latencies_s.append(time.perf_counter() - began)
        self.outcomes[message.get("outcome", message["type"])] += 1
        self._pace_s = message.get("pace_ms", self._pace_s * 1000) / 1000

    async def _answer(self, socket: ClientConnection, sequence: int) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == "reading":
                self.states[message["state"]] += 1
            if message.get("sequence") == sequence:
                return message
