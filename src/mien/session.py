"""Opening a network in ONNX Runtime so that int8 is exact on every processor, and running it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from mien.errors import ModelFileError
from mien.utf8 import is_text

__all__ = ["SUMS_FIT_KEY", "open_session", "run_session"]

SUMS_FIT_KEY = "mien.sums_fit"
"""Metadata of a file: ``"yes"`` where its int8 products overflow on no processor, see `mien.exporting.sums`."""


def open_session(path: Path, threads: int) -> ort.InferenceSession:
    """Open a model file.

    Args:
        path: An ONNX file.
        threads: How many threads one call may use; 0 lets ONNX Runtime choose.

    Raises:
        ModelFileError: If ONNX Runtime cannot open it.
    """
    session = _open(path, threads)
    if session.get_modelmeta().custom_metadata_map.get(SUMS_FIT_KEY) != "yes" and _may_overflow():
        session = _open(path, threads, exact=True)
    return session


def run_session(
    session: ort.InferenceSession, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
) -> list[NDArray[Any]]:
    """Run a network.

    Args:
        session: Of the network.
        outputs: Names of what is wanted.
        inputs: What goes in, by name.

    Returns:
        The outputs, in the order of their names.

    Raises:
        MemoryError: If memory does not hold what lies between input and output.
        ModelFileError: If the network cannot run, as one whose layers do not fit together.
    """
    try:
        return list(session.run(list(outputs), dict(inputs)))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no public base class
        reason = str(error).strip().splitlines()[0]
        _, no_memory, size = reason.partition("Failed to allocate memory")
        if no_memory or "bad_alloc" in reason:
            raise MemoryError(f"{no_memory}{size}" or "there is none left") from None
        raise ModelFileError(
            f"A network cannot answer in ONNX Runtime: {reason[-200:]} Export its model file again: mien export"
        ) from None


def _open(path: Path, threads: int, *, exact: bool = False) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a library does not talk; its errors are raised too
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        # ONNX Runtime opens names in UTF-8 only.
        source = str(path) if is_text(str(path)) else path.read_bytes()
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no public base class
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelFileError(
            f"{path} is no model file that ONNX Runtime can open: {reason}"
        ) from None


def _may_overflow() -> bool:
    """Whether int8 needs ONNX Runtime's exact path, unless a file's sums fit.

    An x86 processor without VNNI adds pairs of int8 products in 16 bits and clips what does not fit, silently. The exact
    path takes a quarter longer there (mien-s, AVX2, one thread: 1.34 ms a face for 1.06, before its sums did fit). Where the processor does not
    tell, exactness goes before speed.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True
    return "avx512_vnni" not in flags and "avx_vnni" not in flags
