"""From a request's body to the pictures in it: counted while it is read, kept in memory, never on disk."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from string import hexdigits
from typing import Any

import numpy as np
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from starlette.requests import ClientDisconnect, Request

from mien.service.limits import Reservation
from mien.service.problems import Problem

__all__ = [
    "Part",
    "decode_base64",
    "media_type",
    "pictures_of",
    "read_body",
    "read_fields",
    "read_json",
    "read_parts",
]

_MANY_FIELDS = 32
"""So many fields of a form are read besides its pictures."""

_MANY_VALUES = 1 << 16
"""More values are in no JSON that brings pictures; parsing them would keep everyone else waiting."""

_LONGEST_WORD = 64
"""So many characters of base64 are taken for a picture only with their padding."""

_LONGEST_TYPE = 80
"""So many characters of a body's type are looked at, and told again where it is none that is read."""

_NO_HEX = 0xFF
_HEX = np.array(
    [int(chr(code), 16) if chr(code) in hexdigits else _NO_HEX for code in range(256)], np.uint8
)
"""What a digit of an escape (``%2B``) is worth, by its code."""

_ACCEPTED = "image/…, application/octet-stream, multipart/form-data or application/json"


@dataclass
class Part:
    """One field of a form."""

    name: str
    data: bytearray = field(default_factory=bytearray)


async def read_body(request: Request, held: Reservation, max_bytes: int, timeout_s: float) -> bytes:
    """Read a body, and not a byte more than is allowed.

    Args:
        request: Of which nothing was read yet.
        held: Where its memory is counted.
        max_bytes: Of the body.
        timeout_s: Until its last byte.

    Raises:
        Problem: 413 if it is too large, 408 if it is too slow, 503 if there is no memory for it, 400 if its length is no number
            or another protocol is asked for besides, 415 if it is compressed: nobody knows how large it would become.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Problem(
            415,
            "unsupported_encoding",
            f"Content-Encoding is '{encoding[:40]}'; expected none. Pictures are compressed already.",
            {"accept-encoding": "identity"},
        )
    announced = request.headers.get("content-length", "0")
    if not announced.isascii() or not announced.isdigit():
        raise Problem(400, "bad_request", "Content-Length is no number.")
    # Python reads no number of thousands of digits, and HTTP allows as many zeros before one.
    announced_bytes = int(announced.lstrip("0") or "0")
    _check_size(announced_bytes, max_bytes)
    held.grow_to(announced_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                _check_size(len(body) + len(chunk), max_bytes)
                held.grow_to(len(body) + len(chunk))
                body += chunk
    except TimeoutError:
        raise Problem(
            408,
            "too_slow",
            f"The body did not arrive within {timeout_s:g} s. Send it faster, or a smaller one.",
            {"connection": "close"},
        ) from None
    except ClientDisconnect:
        raise Problem(
            400, "bad_request", "The connection was closed before the end of the body."
        ) from None
    if not body and "upgrade" in request.headers:
        raise Problem(
            400,
            "bad_request",
            "No body is read of a request that asks for another protocol. Send plain HTTP/1.1, without Upgrade.",
            {"connection": "close"},
        )
    return bytes(body)


def media_type(request: Request) -> str:
    """Return a body's type without parameters, in small letters."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind[:_LONGEST_TYPE]


def pictures_of(
    request: Request, body: bytes, max_pictures: int, field_name: str = "file"
) -> list[bytes]:
    """Return the pictures of a body, whatever shape it has.

    Args:
        request: Its Content-Type says which shape.
        body: All of it.
        max_pictures: More are refused.
        field_name: Of a form's pictures.

    Raises:
        Problem: 415 if the shape is none that is read, 422 if there is no picture in it, 413 if there are too many.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        parts = read_parts(request, body, max_pictures + _MANY_FIELDS)
        pictures = [bytes(part.data) for part in parts if part.name == field_name]
        if not pictures:
            raise Problem(
                422,
                "no_picture",
                f"The form has no field '{field_name}'. Put each picture into one.",
            )
    elif kind == "application/json":
        pictures = _pictures_of_json(read_json(body))
    elif kind.startswith("image/") or kind == "application/octet-stream":
        pictures = [body]
    else:
        raise Problem(415, "unsupported_type", f"Content-Type is '{kind}'; expected {_ACCEPTED}.")
    if len(pictures) > max_pictures:
        raise Problem(
            413,
            "too_many_pictures",
            f"{len(pictures)} pictures were sent; at most {max_pictures} are taken at once.",
        )
    return pictures


def read_parts(request: Request, body: bytes, max_parts: int) -> list[Part]:
    """Split a form with files into its fields.

    Raises:
        Problem: 422 if it is no such form, 413 if it has more fields than are read.
    """
    boundary = _parameters(request.headers.get("content-type", "")).get("boundary", "")
    parts: list[Part] = []
    header, value = bytearray(), bytearray()
    has_ended = False

    def begin_part() -> None:
        if len(parts) >= max_parts:
            raise Problem(
                413,
                "too_many_pictures",
                f"The form has more than {max_parts} fields. Send fewer at once.",
            )
        parts.append(Part(""))

    def end_header() -> None:
        if header.lower() == b"content-disposition":
            # The name of a file is not looked at: nothing is stored under it.
            parts[-1].name = _parameters(value.decode("latin-1")).get("name", "")
        header.clear()
        value.clear()

    def end() -> None:
        nonlocal has_ended
        has_ended = True

    callbacks: Any = {
        "on_part_begin": begin_part,
        "on_part_data": lambda data, start, stop: parts[-1].data.extend(data[start:stop]),
        "on_header_field": lambda data, start, stop: header.extend(data[start:stop]),
        "on_header_value": lambda data, start, stop: value.extend(data[start:stop]),
        "on_header_end": end_header,
        "on_end": end,
    }
    try:
        parser = MultipartParser(boundary.encode("latin-1", "replace"), callbacks)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise _damaged(str(error)) from None
    if not boundary or not has_ended:
        raise _damaged("its closing boundary is missing")
    return parts


def read_fields(request: Request, body: bytes) -> dict[str, str]:
    """Return the fields of a form, as ``multipart/form-data`` or ``application/x-www-form-urlencoded`` has them.

    Raises:
        Problem: 415 if it is neither, 422 if it is damaged, 413 if it has too many fields.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        parts = read_parts(request, body, _MANY_FIELDS)
        return {part.name: part.data.decode("utf-8", "replace") for part in parts}
    if kind == "application/x-www-form-urlencoded":
        if body.count(b"&") >= _MANY_FIELDS:
            raise Problem(
                413, "too_many_pictures", f"The form has more than {_MANY_FIELDS} fields."
            )
        pairs = [pair.partition(b"=") for pair in body.split(b"&")]
        return {_unescaped(name): _unescaped(value) for name, _, value in pairs}
    raise Problem(
        415,
        "unsupported_type",
        f"Content-Type is '{kind}'; expected application/x-www-form-urlencoded or multipart/form-data.",
    )


def read_json(body: bytes) -> Any:
    """Parse a body.

    Raises:
        Problem: 422 if it is no JSON, 413 if it has more values than are read.
    """
    # Base64 has none of these signs, so that counting them is quick and never wrong about pictures.
    if sum(map(body.count, (b",", b"[", b"{"))) > _MANY_VALUES:
        raise Problem(
            413, "too_many_values", f"The JSON has more than {_MANY_VALUES} values. Send pictures."
        )
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(
            422, "no_json", "The body is not JSON, though its Content-Type says so."
        ) from None


def decode_base64(text: object, what: str) -> bytes:
    """Return the bytes of a picture that came as text, bare or as a data URL.

    Args:
        text: What was sent.
        what: Where it stood, as the start of a sentence.

    Raises:
        Problem: 422 if it is no base64; addresses of pictures are never followed.
    """
    if not isinstance(text, str) or not text:
        raise Problem(422, "no_picture", f"{what} is no text; expected a picture in base64.")
    head, comma, rest = text.partition(",")
    if comma and head.strip().lower().startswith("data:"):
        if not head.rstrip().lower().endswith(";base64"):
            raise Problem(422, "no_picture", f"{what} is a data URL that is not base64.")
        text = rest
    try:
        return base64.b64decode(_plain_base64(text), validate=True)
    except (binascii.Error, ValueError):
        raise Problem(
            422,
            "no_picture",
            f"{what} is no base64. Send the picture itself: addresses and paths are not followed.",
        ) from None


def _plain_base64(text: str) -> str:
    """Undo what others do to base64: white space between, ``-_`` for ``+/``, the padding left out."""
    for blank in "\t\r\n":
        text = text.replace(blank, "")
    if "+" in text or "-" in text:
        text = text.replace(" ", "")
    else:  # a form that was not encoded turned every + into a space
        text = (text.strip(" ") if len(text) % 4 else text).replace(" ", "+")
    text = text.replace("-", "+").replace("_", "/")
    # No picture is as short as a path, which would be base64 otherwise.
    return text + "=" * (-len(text) % 4) if len(text) > _LONGEST_WORD else text


def _pictures_of_json(sent: object) -> list[bytes]:
    if (
        not isinstance(sent, dict)
        or len(sent.keys() & {"picture", "pictures"}) != 1
        or len(sent) != 1
    ):
        raise Problem(
            422,
            "no_picture",
            'Expected {"picture": "base64"} or {"pictures": ["base64", …]} and nothing else.',
        )
    if "picture" in sent:
        return [decode_base64(sent["picture"], "picture")]
    if not isinstance(sent["pictures"], list) or not sent["pictures"]:
        raise Problem(422, "no_picture", "pictures is no list with at least one picture.")
    return [
        decode_base64(text, f"pictures[{index}]") for index, text in enumerate(sent["pictures"])
    ]


def _unescaped(text: bytes) -> str:
    """Undo what a form does to a text; `urllib` keeps everyone waiting, ten seconds for the largest body full of ``%``."""
    signs = np.frombuffer(text.replace(b"+", b" "), np.uint8).copy()
    worth = _HEX[signs]
    first, second = worth[1:-1], worth[2:]
    is_escape = (signs[:-2] == ord("%")) & (first != _NO_HEX) & (second != _NO_HEX)
    signs[:-2][is_escape] = (first * 16 + second)[is_escape]
    is_kept = np.ones(len(signs), bool)
    is_kept[1:-1][is_escape] = is_kept[2:][is_escape] = False
    return signs[is_kept].tobytes().decode("utf-8", "replace")


def _check_size(num_bytes: int, max_bytes: int) -> None:
    if num_bytes > max_bytes:
        raise Problem(
            413,
            "body_too_large",
            f"The body has more than {max_bytes} bytes, which are accepted. Send smaller pictures.",
        )


def _parameters(header: str) -> Mapping[str, str]:
    """Return what stands after the first ``;`` of a header."""
    message = Message()
    message["content-type"] = header.replace("\r", " ").replace("\n", " ")
    try:
        found = message.get_params(failobj=[])
    except (ValueError, IndexError, TypeError):  # TypeError: parts of a value without a number
        return {}
    return {name.lower(): value for name, value in (found or [])[1:] if isinstance(value, str)}


def _damaged(reason: str) -> Problem:
    return Problem(
        422, "damaged_form", f"The form cannot be read: {' '.join(reason.split())[:200]}."
    )
