"""Which pages may use the page."""

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse

from mien.demo.perimeter import Perimeter


def ask(host="127.0.0.1:7860", origin=None):
    """Return what the page answers under a name, to another page or to none."""
    headers = {"host": host} | ({"origin": origin} if origin else {})

    async def asking():
        app = httpx.ASGITransport(Perimeter(PlainTextResponse("the page")))
        async with httpx.AsyncClient(transport=app, base_url="http://page") as client:
            return await client.post("/gradio_api/upload", headers=headers)

    return asyncio.run(asking())


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860"])
def test_this_computer_s_names_are_answered_to_no_page_and_to_the_page_itself(host):
    assert ask(host).text == "the page"
    assert ask(host, f"http://{host.lower()}").text == "the page"


def test_no_other_page_may_show_it_in_a_frame():
    assert ask().headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    "host",
    ["evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:7860", ""],
)
def test_a_name_that_was_made_to_point_here_is_refused_in_one_line(host):
    answer = ask(host, f"http://{host}")
    assert answer.status_code == 403
    assert (
        answer.text == "This page is for this computer only: open it as localhost or 127.0.0.1.\n"
    )


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:3000",  # another server of this computer
        "http://127.0.0.1",
        "http://localhost:7860",  # the same server, but no page of it would ask so
        "https://127.0.0.1:7860",
        "http://127.0.0.1:7860.evil.example",
        "null",
    ],
)
def test_other_pages_are_refused_in_one_line(origin):
    answer = ask(origin=origin)
    assert answer.status_code == 403
    assert answer.text == "Other pages may not use this one.\n"


def test_a_socket_is_refused_too():
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"host", b"evil.example")]}
    asyncio.run(Perimeter(PlainTextResponse("the page"))(scope, None, send))
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
