"""Which machine is meant."""

import pytest

from mien.addresses import as_host_name, as_origin, host_name, is_loopback
from mien.errors import InputError


def test_loopback_is_known_in_all_its_spellings():
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]")))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.kr", ""])
def test_what_others_can_reach_is_no_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("A.kr:80", "a.kr"),
        ("a", "a"),
        ("127.0.0.1:8432", "127.0.0.1"),
        ("[::1]:8432", "::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("", ""),
    ],
)
def test_host_names_lose_their_port_and_their_brackets(address, name):
    assert host_name(address) == name


@pytest.mark.parametrize("address", ["[::1", "[::1]evil.kr", "[::1]:80.evil.kr", "::1", "x[::1]"])
def test_what_is_no_address_is_nobodys_name(address):
    assert host_name(address) not in ("::1", "evil.kr")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("https://School.Example", "https://school.example"),
        (" https://school.example:443 ", "https://school.example"),
        ("http://school.example:80", "http://school.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://school.example:08443", "https://school.example:8443"),
        ("https://학교.kr", "https://xn--9d0b527e.kr"),
        ("http://[0:0:0:0:0:0:0:1]:8432", "http://[::1]:8432"),
    ],
)
def test_origins_are_written_as_browsers_send_them(text, sent):
    assert as_origin(text) == sent
    assert as_origin(sent) == sent


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "https://*.school.example",
        "https://school.example/",
        "https://school.example/page",
        "https://user:word@school.example",
        "https://a b",
        "https://a.example;https://b.example",
        "https://x:99999",
        "https://x:0",
        "https://x:",
        "https://",
        "ftp://school.example",
        "school.example",
        '["https://a.example"]',
    ],
)
def test_what_no_browser_sends_is_no_origin(text):
    with pytest.raises(InputError, match="is no origin; expected scheme, name and port alone"):
        as_origin(text)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Faces.Example", "faces.example"),
        ("10.0.0.4", "10.0.0.4"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("학교.kr", "xn--9d0b527e.kr"),
        ("mien", "mien"),
    ],
)
def test_names_are_written_as_callers_send_them(text, sent):
    assert as_host_name(text) == sent


@pytest.mark.parametrize(
    "text",
    ["*", "*.a.example", "a b", "a.example:80", "https://a", "u@a", "a..b", "", "-a", "a" * 64],
)
def test_what_nobody_can_call_is_no_name(text):
    with pytest.raises(InputError, match="is no name; expected one without scheme, port and wild"):
        as_host_name(text)
