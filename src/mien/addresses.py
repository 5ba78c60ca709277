"""Addresses of machines, as servers are told them and as callers write them."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["host_name", "is_loopback"]

_BRACKETED = re.compile(r"\[([^]]*)](:\d*)?")


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
