"""Fetching a file that mien does not carry: only when asked, only the very bytes that are expected."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from mien.addresses import is_loopback
from mien.checksums import sha256_of
from mien.errors import DownloadError, MissingExtraError
from mien.paths import RUNS
from mien.replacing import replacing

__all__ = ["RemoteFile", "fetch", "hub_file", "is_hub_name", "is_intact"]

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 16
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file on the network, known to the last byte."""

    name: str
    """Under which it is kept."""
    url: str
    sha256: str
    """Of its bytes, hexadecimal."""
    size_bytes: int
    """No more than this is read."""
    licence: str
    source: str
    """The page that tells what it is."""


def fetch(
    file: RemoteFile, folder: Path, remedy: str, url: str | None = None, timeout_s: float = 30.0
) -> Path:
    """Fetch a file; it appears whole and verified, or not at all.

    Args:
        file: What is wanted.
        folder: Where it goes, under its own name; made if it is not there.
        remedy: What a person without a network can do, as a sentence; it ends the messages.
        url: A copy elsewhere, such as a mirror of your own; its bytes must be the same.
        timeout_s: How long a silent server is waited for.

    Returns:
        Where it lies. If it lay there before, whole, nothing is fetched.

    Raises:
        DownloadError: If it cannot be fetched or written, or is not the file that is expected.
        InputError: If a file lies there that cannot be read.
    """
    target = folder / file.name
    if is_intact(target, file):
        logger.info("%s is already there.", target)
        return target
    address = url or file.url
    try:
        _check_address(address)
        logger.info("Fetching %s (%.0f kB)", address, file.size_bytes / 1000)
        body = _read(address, file.size_bytes, timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(
            f"{address} answers {error.code} {error.reason} instead of the file. {remedy}"
        ) from None
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: no address
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise DownloadError(f"{address} cannot be reached: {words}. {remedy}") from None
    _check_bytes(body, file, address, remedy)
    _write(body, target)
    return target


def is_intact(path: Path, file: RemoteFile) -> bool:
    """Tell whether a path holds the expected bytes.

    Raises:
        InputError: If something is there that cannot be read.
    """
    if not path.is_file():
        return False
    return path.stat().st_size == file.size_bytes and sha256_of(path) == file.sha256


def is_hub_name(name: str) -> bool:
    """Tell whether a name can be that of a model on the Hugging Face Hub: ``owner/name`` or ``owner/name@revision``.

    Where the part before the slash is a folder here, it is a path that was mistyped: nothing is asked of the Hub. Nor is it
    for a run, in a folder where there are none yet.
    """
    owner = name.partition("/")[0]
    return bool(_HUB_NAME.fullmatch(name)) and owner != RUNS and not Path(owner).exists()


def hub_file(name: str, file: str, size_bytes: int | None = None) -> Path:
    """Return a file of a model on the Hugging Face Hub, from its own cache where it was fetched before.

    What is in the cache stays as it is, without a look at the Hub; name a revision to get that one.

    Args:
        name: ``owner/name`` or ``owner/name@revision``.
        file: Its path there.
        size_bytes: For the message, if known.

    Raises:
        MissingExtraError: If huggingface_hub is not installed.
        DownloadError: If there is no such model or file, or the Hub cannot be reached.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read once, when it is first imported
    try:
        import huggingface_hub
    except ImportError:
        raise MissingExtraError("hub", "Reading a model from the Hugging Face Hub") from None
    repository, _, revision = name.partition("@")
    try:
        cached = huggingface_hub.try_to_load_from_cache(repository, file, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
        size = "" if size_bytes is None else f", {size_bytes / 1e6:.1f} MB"
        # A warning, so that it is seen without any setting: nothing is fetched unsaid.
        logger.warning("Fetching %s of %s from the Hugging Face Hub%s …", file, name, size)
        return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision or None))
    except (OSError, ValueError) as error:  # the parents of all that huggingface_hub raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DownloadError(
            f"{file} of {name} cannot be had from the Hugging Face Hub: {reason} Check the name, or fetch the folder "
            "elsewhere and give its path."
        ) from None


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses that might have been given in the first place."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _check_address(newurl)
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    # What comes from this very machine needs no encryption on the way.
    is_here = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not is_here:
        raise DownloadError(f"{url} is not an https address; nothing else is fetched.")


def _read(url: str, size_bytes: int, timeout_s: float) -> bytes:
    """Read at most one byte more than expected, so that an endless answer ends."""
    opener = urllib.request.build_opener(_SafeRedirects)
    request = urllib.request.Request(url, headers={"User-Agent": "mien"})  # noqa: S310 - checked
    blocks, total = [], 0
    with opener.open(request, timeout=timeout_s) as answer:
        while total <= size_bytes:
            block = answer.read(min(_BLOCK_BYTES, size_bytes + 1 - total))
            if not block:
                break
            blocks.append(block)
            total += len(block)
    return b"".join(blocks)


def _check_bytes(body: bytes, file: RemoteFile, address: str, remedy: str) -> None:
    if len(body) != file.size_bytes:
        got = f"more than {file.size_bytes}" if len(body) > file.size_bytes else f"only {len(body)}"
        raise DownloadError(
            f"{address} sent {got} bytes; expected {file.size_bytes}. Nothing was kept. {remedy}"
        )
    digest = hashlib.sha256(body).hexdigest()
    if digest != file.sha256:
        raise DownloadError(
            f"{address} sent another file: its SHA-256 is {digest}, expected {file.sha256}. Nothing was kept. {remedy}"
        )


def _write(body: bytes, target: Path) -> None:
    try:
        with replacing(target) as partial:
            partial.write_bytes(body)
    except OSError as error:
        raise DownloadError(
            f"{target} cannot be written: {error.strerror or error}. Choose another place with MIEN_CACHE."
        ) from None
