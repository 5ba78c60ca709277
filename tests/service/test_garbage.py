"""Requests leave no circles of objects: collections are seldom in a service, and bodies are large."""

import asyncio
import gc

import pytest
from service_calls import png

from mien.service.app import create_app
from mien.service.settings import Settings


async def ask(app, body):
    """Send one picture through the application itself; a client would leave garbage of its own."""
    headers = {"host": "localhost", "content-type": "image/png", "content-length": str(len(body))}
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "http_version": "1.1",
        "path": "/v1/predict",
        "raw_path": b"/v1/predict",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    answers = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        answers.append(message)

    await app(scope, receive, send)
    return answers[0]["status"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(png(0), 200), (b"no picture", 422), (b"", 422)],
    ids=["good", "bad", "empty"],
)
def test_a_request_leaves_nothing_for_the_collector(body, status):
    app = create_app(Settings(detector="none"))

    async def count():
        async with app.router.lifespan_context(app):
            assert await ask(app, body) == status  # what is made once is made now
            gc.collect()
            gc.disable()
            try:
                for _ in range(5):
                    assert await ask(app, body) == status
                return gc.collect()
            finally:
                gc.enable()

    assert asyncio.run(count()) == 0
