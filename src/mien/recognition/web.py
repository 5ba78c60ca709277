"""What a web server says of an address: a file, which has an end although FFmpeg may not know it, or a stream."""

from __future__ import annotations

import base64
import http.client
import urllib.request
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mien.recognition.container import HEAD_BYTES

__all__ = ["head_of_file"]

_WRITTEN_AS_THEY_ARE = "!#$%&'()*+,/:;=?@[]~"
"""What an address may hold besides letters and digits; FFmpeg too escapes the rest, such as spaces and Hangul."""
_PATIENCE_S = 5.0
_PLAYLISTS = (b"#EXTM3U", b"\xef\xbb\xbf#EXTM3U", b"<")
"""How lists of pieces begin, HLS and DASH: their own length says nothing of the stream's."""


def head_of_file(url: str) -> bytes | None:
    """Return the first bytes of a file on a web server; None if it is a stream, or the server does not answer again.

    Args:
        url: ``http://`` or ``https://``, with or without a user's name and password.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = quote(urlunsplit(parts._replace(netloc=host, fragment="")), safe=_WRITTEN_AS_THEY_ARE)
    request = urllib.request.Request(bare)  # noqa: S310 - the caller has seen that it is http or https
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        basic = base64.b64encode(secret.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {basic}")
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310 - as above
            if answer.headers.get("Content-Length") is None:
                return None
            head: bytes = answer.read(HEAD_BYTES)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return None if head.startswith(_PLAYLISTS) else head
