"""Requests a second and their latency: `mien serve` beside a plain FastAPI route, one after the other in the same run.

64 clients on loopback, each with one connection, each sending its next 320 × 240 JPEG with one drawn face as soon as the
answer to the last one is there. The clients run here, in one process of their own, and share the processors with the
service. Run: python benchmarks/service.py [--seconds 60] [--clients 64] [--workers 1 2] [--within-ms 150] [--detector auto]
[--model mien-s] [--json]

Before that, each stage of an answer is timed alone on one core: their sum bounds what all cores can do together, with HTTP,
Python and the clients for nothing. 64 clients that never pause wait 64 / (answers a second) on average (Little's law), so no
service can be quicker than 64 times that sum through the cores. --within-ms then looks for the most clients whose p95 stays
within it.

The peer is what one writes in an afternoon: an async route that decodes, finds the face, and runs the network on it, in
one process. `plain` uses mien's recogniser as it comes; `plain, quick look` also looks at a small copy first, as the service
does, so that the rest of the difference is threads, batches and HTTP alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from mien.processors import usable_cores
from mien.service.settings import Settings

QUICK_PX: int = Settings.model_fields["search_px"].default
PEERS = {"plain": 0, "plain, quick look": QUICK_PX}
"""Name of a peer and the side of its small copy, px; 0 for none."""
_WARM_UP_S = 2.0
_SEARCH_S = 8.0
_MOST_CLIENTS = 256


def main() -> int:
    """Measure and print."""
    asked = _arguments()
    if asked.serve_plain:
        return _serve_plain(asked)
    picture = _picture()
    stages = _stages(picture, asked)
    rows = [
        _measure(name, _plain_command(asked, search_px), "/predict", picture, asked)
        for name, search_px in PEERS.items()
    ]
    for workers in asked.workers:
        command = [
            sys.executable,
            "-m",
            "mien",
            "serve",
            "--workers",
            str(workers),
            "--detector",
            asked.detector,
            "--model",
            asked.model,
            "--port",
        ]
        rows.append(
            _measure(f"mien serve --workers {workers}", command, "/v1/predict", picture, asked)
        )
    most = _most_clients(command, picture, asked) if asked.within_ms else None
    if asked.json:
        facts = {"clients": asked.clients, "seconds": asked.seconds, "cores": usable_cores()}
        found = {"stages_ms": stages, "rows": rows, "most_clients_within": most}
        print(json.dumps({**facts, **found}, indent=2))
    else:
        _print(asked, stages, rows)
        if most is not None:
            last = f"--workers {asked.workers[-1]}"
            print(f"p95 stays within {asked.within_ms:g} ms for {most} clients ({last})")
    return 0


def _print(asked: argparse.Namespace, stages: dict[str, float], rows: list[dict[str, Any]]) -> None:
    print(
        f"{asked.clients} clients, {asked.seconds:g} s each, {usable_cores()} cores, detector {asked.detector}"
    )
    bound_per_s = 1000 * usable_cores() / sum(stages.values())
    parts = ", ".join(f"{name} {ms:.2f} ms" for name, ms in stages.items())
    print(
        f"On one core alone: {parts}; at most {bound_per_s:.0f} answers/s, "
        f"and {1000 * asked.clients / bound_per_s:.0f} ms on average"
    )
    print(f"{'':24s}  req/s  x plain  p50 ms  p95 ms  p99 ms  errors  CPU ms/req: server, clients")
    for row in rows:
        print(
            f"{row['name']:24s} {row['per_s']:6.0f} {row['per_s'] / rows[0]['per_s']:8.2f} {row['p50_ms']:7.1f} "
            f"{row['p95_ms']:7.1f} {row['p99_ms']:7.1f} {row['errors']:7d} {row['cpu_ms']:9.2f} {row['client_cpu_ms']:6.3f}"
        )


@dataclass
class _Tally:
    """What the clients saw."""

    latencies_s: list[float] = field(default_factory=list)
    errors: int = 0
    is_counting: bool = False


class _Client(asyncio.Protocol):
    """One connection that asks again and again."""

    def __init__(self, request: bytes, tally: _Tally) -> None:
        self._request = request
        self._tally = tally
        self._buffer = b""
        self._sent_at = 0.0
        self._is_ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = next(
            int(line[15:])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        if len(body) < length:
            return
        self._buffer = b""
        if self._tally.is_counting:
            self._tally.latencies_s.append(time.perf_counter() - self._sent_at)
            self._tally.errors += not (head.startswith(b"HTTP/1.1 200") and b'"confidence"' in body)
        if not self._is_ending:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if not self._is_ending:
            self._tally.errors += 1

    def end(self) -> None:
        self._is_ending = True


async def _load(
    port: int, path: str, picture: bytes, clients: int, seconds: float, pid: int
) -> tuple[_Tally, float, float, float]:
    """Return what was seen, the seconds it took, and the seconds that processors worked for the server and for us."""
    request = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: image/jpeg\r\ncontent-length: {len(picture)}\r\n\r\n"
    ).encode() + picture
    tally = _Tally()
    loop = asyncio.get_running_loop()
    connected = [
        await loop.create_connection(lambda: _Client(request, tally), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.sleep(_WARM_UP_S)
    tally.is_counting, started, cpu = True, time.perf_counter(), _cpu_s(pid)
    own = time.process_time()
    await asyncio.sleep(seconds)
    tally.is_counting, lasted, cpu = False, time.perf_counter() - started, _cpu_s(pid) - cpu
    own = time.process_time() - own
    for _, client in connected:
        client.end()
    await asyncio.sleep(0.5)
    for transport, _ in connected:
        transport.close()
    return tally, lasted, cpu, own


def _measure(
    name: str, command: list[str], path: str, picture: bytes, asked: argparse.Namespace
) -> dict[str, Any]:
    port = _free_port()
    environment = {**os.environ, "MIEN_SERVICE_LOG_LEVEL": "warning"}
    server = subprocess.Popen([*command, str(port)], env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_until_open(port, server)
        tally, lasted_s, cpu_s, own_s = asyncio.run(
            _load(port, path, picture, asked.clients, asked.seconds, server.pid)
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    ordered = sorted(tally.latencies_s) or [float("nan")]
    return {
        "name": name,
        "requests": len(tally.latencies_s),
        "errors": tally.errors,
        "per_s": round(len(tally.latencies_s) / lasted_s, 1),
        "p50_ms": round(1000 * statistics.median(ordered), 1),
        "p95_ms": round(1000 * ordered[int(0.95 * len(ordered))], 1),
        "p99_ms": round(1000 * ordered[int(0.99 * len(ordered))], 1),
        "cpu_ms": round(1000 * cpu_s / max(1, len(tally.latencies_s)), 2),
        "client_cpu_ms": round(1000 * own_s / max(1, len(tally.latencies_s)), 3),
    }


def _most_clients(command: list[str], picture: bytes, asked: argparse.Namespace) -> int:
    """Return the most clients, to a quarter, whose p95 stays within what was asked for; 0 for none."""
    most, clients = 0, 4
    brief = argparse.Namespace(**{**vars(asked), "seconds": _SEARCH_S})
    while clients <= _MOST_CLIENTS:
        brief.clients = clients
        row = _measure("", command, "/v1/predict", picture, brief)
        if row["errors"] or row["p95_ms"] > asked.within_ms:
            break
        most, clients = clients, max(clients + 2, round(1.25 * clients))
    return most


def _stages(picture: bytes, asked: argparse.Namespace) -> dict[str, float]:
    """Processor time of each stage on one core, ms a picture."""
    import cv2

    from mien import Recognizer, images
    from mien.faces import crop_detection
    from mien.service.looking import open_two_looks

    cv2.setNumThreads(1)
    looking, recognizer = (
        open_two_looks(asked.detector, None, QUICK_PX),
        Recognizer(asked.model, detector="none"),
    )
    image = images.decode(picture)
    (found,) = looking.detect(image)
    crops = [crop_detection(image, found, looking.frame)] * 8
    stages: dict[str, tuple[Callable[[], object], int]] = {
        "decode": (lambda: images.decode(picture), 1),
        "find the face": (lambda: looking.detect(image), 1),
        "classify, of 8": (lambda: recognizer.predict_faces(crops), len(crops)),
    }
    return {name: round(_median_ms(call) / faces, 2) for name, (call, faces) in stages.items()}


def _median_ms(call: Callable[[], object]) -> float:
    times = []
    for _ in range(60):
        started = time.thread_time()
        call()
        times.append(time.thread_time() - started)
    return 1000 * statistics.median(times)


def _plain_command(asked: argparse.Namespace, search_px: int) -> list[str]:
    return [
        sys.executable,
        str(Path(__file__)),
        "--detector",
        asked.detector,
        "--model",
        asked.model,
        "--search-px",
        str(search_px),
        "--serve-plain",
    ]


def _serve_plain(asked: argparse.Namespace) -> int:
    """Be the peer."""
    import uvicorn

    from mien import Recognizer, images
    from mien.service.looking import open_two_looks

    quick = open_two_looks(asked.detector, None, asked.search_px) if asked.search_px else None
    recognizer = Recognizer(asked.model, detector=quick or asked.detector)
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, object]:
        faces = recognizer.predict(images.decode(await request.body()))
        return {"faces": [face.as_dict() for face in faces]}

    uvicorn.run(app, port=asked.serve_plain, log_level="warning")
    return 0


def _picture() -> bytes:
    import cv2

    from mien.data.synthetic import draw_scene

    scene, _ = draw_scene(["happiness"], seed=3, width_px=320, height_px=240)
    return bytes(cv2.imencode(".jpg", scene[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def _wait_until_open(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if server.poll() is not None:
            raise SystemExit(f"service: the server ended with exit code {server.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as asking:
                asking.settimeout(30)
                asking.sendall(
                    b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
                )
                if asking.recv(1):
                    return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("service: the server did not open its port within a minute")


def _cpu_s(pid: int) -> float:
    """Processor time of a process and its children, s."""
    total, ticks = 0.0, os.sysconf("SC_CLK_TCK")
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    for one in pids:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / ticks
    return total


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--within-ms", type=float, default=0, help="find the most clients with this p95"
    )
    parser.add_argument("--detector", default="auto", help="auto, haar or yunet")
    parser.add_argument("--model", default="mien-s", help="a model's name or file")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--search-px", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--serve-plain", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
