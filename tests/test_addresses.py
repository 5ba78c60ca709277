"""Which machine is meant."""

import pytest

from mien.addresses import host_name, is_loopback


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
