"""Addresses of machines and pages, as servers are told them and as callers write them."""

from __future__ import annotations

import ipaddress
import re

from mien.errors import InputError

__all__ = ["as_host_name", "as_origin", "host_name", "is_loopback"]

_BRACKETED = re.compile(r"\[([^]]*)](:\d*)?")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_ORIGIN = re.compile(r"(https?)://(\[[^]]*]|[^:]*)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there; IPv6 with brackets or without."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(address: str) -> str:
    """Return ``host`` of ``host:port``, in small letters; IPv6 loses the brackets that keep it apart from a port."""
    bracketed = _BRACKETED.fullmatch(address)
    return (bracketed[1] if bracketed else address.partition(":")[0]).lower()


def as_host_name(text: str) -> str:
    """Return a name or address as callers send it: in small letters, IDNA instead of Hangul, IPv6 as short as it can be.

    Raises:
        InputError: If it is none; with scheme, port, user or wildcard it is none either.
    """
    bare = text.strip().lower().removeprefix("[").removesuffix("]")
    try:
        if ":" in bare:
            return str(ipaddress.IPv6Address(bare))
        name = bare.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        name = ""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{text}' is no name; expected one without scheme, port and wildcard, such as faces.example"
        )
    return name


def as_origin(text: str) -> str:
    """Return a page's origin as browsers send it, since origins are compared letter by letter.

    Raises:
        InputError: If it is none: only scheme, name and port, each of which can be.
    """
    found = _ORIGIN.fullmatch(text.strip().lower())
    try:
        scheme, host, port = found.groups() if found else ("", "", None)
        default = _DEFAULT_PORTS[scheme]
        name = as_host_name(host)
        number = int(port or default)
        if not 0 < number < 1 << 16:
            raise InputError(text)
    except (KeyError, InputError):
        raise InputError(
            f"'{text}' is no origin; expected scheme, name and port alone, such as https://school.example. "
            "Every page of the web at once (*) is not accepted"
        ) from None
    place = f"[{name}]" if ":" in name else name
    return f"{scheme}://{place}" + ("" if number == default else f":{number}")
