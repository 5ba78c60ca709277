import base64
import random
import time
from urllib.parse import unquote_to_bytes

import pytest
from starlette.requests import Request

from mien.service.bodies import decode_base64, pictures_of, read_fields, read_parts
from mien.service.problems import Problem

BOUNDARY = "multipart/form-data; boundary=XX"


def request_of(kind):
    return Request({"type": "http", "headers": [(b"content-type", kind.encode("latin-1"))]})


def part(name, data, extra=""):
    head = f'--XX\r\nContent-Disposition: form-data; name="{name}"{extra}\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + data + b"\r\n"


def form(*parts):
    return b"".join(parts) + b"--XX--\r\n"


def test_every_shape_gives_the_same_picture():
    data = bytes(range(256)) + b"\r\n--X"
    text = base64.b64encode(data).decode()
    shapes = [
        ("image/jpeg", data),
        ("application/octet-stream", data),
        ("IMAGE/PNG; q=1", data),
        (BOUNDARY, form(part("file", data))),
        ("application/json", f'{{"picture": "{text}"}}'.encode()),
        ("application/json; charset=utf-8", f'{{"pictures": ["{text}"]}}'.encode()),
        ("application/json", f'{{"picture": "data:image/png;base64,{text}"}}'.encode()),
    ]
    for kind, body in shapes:
        assert pictures_of(request_of(kind), body, 4) == [data], kind


def test_several_pictures_keep_their_order_and_other_fields_are_left_out():
    body = form(part("file", b"one"), part("note", b"x"), part("file", b"two"))
    assert pictures_of(request_of(BOUNDARY), body, 4) == [b"one", b"two"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\\\x", "a\x00b", "=cmd|x", "photo.jpg"])
def test_the_name_of_a_file_means_nothing(name):
    body = form(part("file", b"one", f'; filename="{name}"'))
    assert pictures_of(request_of(BOUNDARY), body, 4) == [b"one"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "words"),
    [
        (
            "text/plain",
            b"x",
            415,
            "Content-Type is 'text/plain'; expected image/…, application/octet-stream",
        ),
        ("", b"x", 415, "Content-Type is ''; expected image"),
        ("x" * 9999, b"x", 415, "Content-Type is '" + "x" * 80 + "'; expected image"),
        (BOUNDARY, form(part("other", b"x")), 422, "no field 'file'"),
        (BOUNDARY, form(*[part("file", b"x")] * 5), 413, "5 pictures were sent; at most 4"),
        (BOUNDARY, form(*[part("file", b"")] * 99), 413, "more than 36 fields"),
        (BOUNDARY, part("file", b"x"), 422, "closing boundary is missing"),
        (BOUNDARY, b"nonsense", 422, "The form cannot be read"),
        ("multipart/form-data", form(part("file", b"x")), 422, "The form cannot be read"),
        ("multipart/form-data; boundary=" + "X" * 999, b"", 422, "The form cannot be read"),
        ("multipart/form-data; boundary*0=a; boundary*=b", b"", 422, "The form cannot be read"),
        ("application/json", b"{", 422, "not JSON"),
        ("application/json", b"[" * 50_000, 422, "not JSON"),
        ("application/json", b"[" * 100_000, 413, "more than 65536 values"),
        ("application/json", b'{"picture": [' + b"1," * 99_999 + b"1]}", 413, "more than 65536"),
        ("application/json", b"[]", 422, 'Expected {"picture": "base64"}'),
        ("application/json", b'{"picture": "aaaa", "x": 1}', 422, "and nothing else"),
        ("application/json", b'{"picture": 5}', 422, "picture is no text"),
        ("application/json", b'{"pictures": []}', 422, "at least one picture"),
        ("application/json", b'{"pictures": ["aaaa", ""]}', 422, r"pictures\[1\] is no text"),
        (
            "application/json",
            b'{"picture": "https://x.example/a.jpg"}',
            422,
            "addresses and paths are not followed",
        ),
        (
            "application/json",
            b'{"picture": "/etc/passwd"}',
            422,
            "addresses and paths are not followed",
        ),
        (
            "application/json",
            b'{"picture": "data:image/png,abc"}',
            422,
            "data URL that is not base64",
        ),
    ],
)
def test_what_cannot_be_read_is_said(kind, body, status, words):
    with pytest.raises(Problem, match=words) as raised:
        pictures_of(request_of(kind), body, 4)
    assert raised.value.status == status


def test_base64_survives_what_forms_do_to_it():
    data = b"\xfb\xef\xbe\xff" * 3
    text = base64.b64encode(data).decode()
    assert "+" in text
    assert decode_base64(text.replace("+", " "), "image") == data
    assert decode_base64(text[:8] + "\r\n" + text[8:], "image") == data


@pytest.mark.parametrize("num_bytes", [300, 301, 302])
def test_base64_is_read_as_others_write_it(num_bytes):
    data = bytes(range(255, 155, -1)) * 3 + b"xy"[: num_bytes - 300]
    text = base64.b64encode(data).decode()
    assert "+" in text
    assert "/" in text
    for written in (
        text.rstrip("="),
        base64.urlsafe_b64encode(data).decode(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        f" {text}\n",
        f"{text}  ",
        "\t ".join(text[i : i + 60] for i in range(0, len(text), 60)),
        "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)),
        f"DATA:image/jpeg;BASE64,{text}",
        f" data:image/jpeg;charset=utf-8;base64, {text}",
    ):
        assert decode_base64(written, "picture") == data


def test_fields_of_both_kinds_of_forms():
    assert (
        read_fields(request_of("application/x-www-form-urlencoded"), b"image=a%2Bb&x=1")["image"]
        == "a+b"
    )
    assert read_fields(request_of(BOUNDARY), form(part("image", b"a+b"))) == {"image": "a+b"}
    with pytest.raises(Problem, match="expected application/x-www-form-urlencoded"):
        read_fields(request_of("application/json"), b"{}")
    with pytest.raises(Problem, match="more than 32 fields"):
        read_fields(request_of("application/x-www-form-urlencoded"), b"a=1&" * 99)


def test_escapes_of_a_form_are_read_as_everybody_reads_them():
    rng = random.Random(0)
    for _ in range(2000):
        text = bytes(rng.choice(b"%%%%0aFg1+ \xff\xe3") for _ in range(rng.randrange(14)))
        read = read_fields(request_of("application/x-www-form-urlencoded"), b"x=" + text)["x"]
        expected = unquote_to_bytes(text.replace(b"+", b" "))
        assert read == expected.decode("utf-8", "replace"), text


@pytest.mark.slow
def test_a_form_full_of_escapes_keeps_nobody_waiting():
    """Python's own reading of a quarter of it takes ten times as long."""
    body = b"%" * (8 << 20)
    began = time.process_time()
    read_fields(request_of("application/x-www-form-urlencoded"), body)
    read = time.process_time()
    unquote_to_bytes(body[: 2 << 20])
    assert read - began < time.process_time() - read


def test_a_part_without_a_name_or_with_odd_headers_is_no_picture():
    odd = (
        b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX\r\nX-Y: z\r\n\r\ny\r\n--XX--\r\n"
    )
    assert [(one.name, bytes(one.data)) for one in read_parts(request_of(BOUNDARY), odd, 9)] == [
        ("", b"x"),
        ("", b"y"),
    ]
