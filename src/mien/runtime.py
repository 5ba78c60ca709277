"""The machine under a run: which device, which precision, what to do with memory, and what to write down about it."""

from __future__ import annotations

import ctypes
import logging
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import ConfigError
from mien.processors import usable_cores

if TYPE_CHECKING:
    import torch

__all__ = [
    "bf16_agrees",
    "choose_device",
    "choose_precision",
    "commit",
    "is_out_of_memory",
    "keep_freed_memory",
    "machine",
    "machine_text",
]

logger = logging.getLogger(__name__)

BF16_TOLERANCE = 0.03
"""Relative error of bf16 against fp32 that the self-test lets pass; 8 bits of mantissa give about 0.004 a step."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to compute on: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU when there is one.

    Raises:
        ConfigError: If the device is unknown or absent.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"There is no device '{name}'; expected auto, cpu or cuda.")
    if device.type == "cuda":
        num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not num_gpus:
            raise ConfigError(
                "This machine has no CUDA device that torch can use; choose --device cpu."
            )
        if (device.index or 0) >= num_gpus:
            raise ConfigError(
                f"There is no device '{name}'; this machine has cuda:0 to cuda:{num_gpus - 1}."
                if num_gpus > 1
                else f"There is no device '{name}'; this machine has cuda:0 alone."
            )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``"bf16"`` or ``"fp32"``; ``"auto"`` takes bf16 where it is native and agrees with fp32.

    Raises:
        ConfigError: If bf16 was asked for and its results are wrong on this machine.
    """
    if name == "fp32":
        return "fp32"
    if name == "auto" and not _has_native_bf16(device):
        return "fp32"
    if bf16_agrees(device):
        return "bf16"
    if name == "bf16":
        raise ConfigError(
            'bf16 convolutions differ from fp32 on this machine; begin a run with train.precision = "fp32" here.'
        )
    logger.warning("bf16 convolutions differ from fp32 on this machine: training in fp32.")
    return "fp32"


def bf16_agrees(device: torch.device) -> bool:
    """Compare a bf16 convolution and its gradient with fp32 on the shapes that training uses.

    Releases of torch had wrong bf16 kernels for single shapes; a run that learns nothing is a dear way
    to find out.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    for channels, side in ((32, 24), (64, 12)):
        image = torch.randn(4, channels, side, side, generator=generator).to(device)
        weight = torch.randn(channels, channels, 3, 3, generator=generator).to(device)
        results = []
        for precision in (torch.float32, torch.bfloat16):
            x = image.to(memory_format=torch.channels_last).requires_grad_()
            w = weight.clone().requires_grad_()
            with torch.autocast(device.type, torch.bfloat16, enabled=precision is torch.bfloat16):
                y = torch.nn.functional.conv2d(x, w, padding=1)
            y.float().square().mean().backward()  # type: ignore[no-untyped-call]
            results.append([t.detach().float() for t in (y, x.grad, w.grad) if t is not None])
        for exact, close in zip(*results, strict=True):
            if not float((exact - close).norm() / exact.norm()) < BF16_TOLERANCE:
                return False
    return True


def _has_native_bf16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = _cpu_facts().get("flags", "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags or "bf16" in flags


def _cpu_facts() -> dict[str, str]:
    """First processor's facts of /proc/cpuinfo; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {
        key.strip().lower().replace("features", "flags"): value.strip() for key, _, value in pairs
    }


def keep_freed_memory() -> bool:
    """Have this process keep what it frees, for the next training step, instead of giving it back to the system.

    A step frees and asks for the same sizes each time, and the system hands out fresh memory page by page: the 400 MB of
    gradients of VGG19's first linear layer take 0.27 s so, and 0.03 s in memory that is there already. Meant for
    processes that train and end, such as the command line's.

    Returns:
        Whether the C library can do that; glibc can.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    never_map, never_trim = (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1)
    allocator = ctypes.CDLL(None)
    return all([allocator.mallopt(*never_map), allocator.mallopt(*never_trim)])


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception says that there was no memory left, on the GPU or off it."""
    import torch

    told = isinstance(error, (MemoryError, torch.OutOfMemoryError))
    return told or "can't allocate memory" in str(error)  # a RuntimeError of torch's on the CPU


def machine(device: torch.device | None = None) -> dict[str, Any]:
    """Return what a record says of the machine: processor, cores, system, versions, and the GPU if ``device`` is one."""
    versions = {}
    for package in ("mien", "numpy", "torch", "onnxruntime", "opencv-python-headless"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    facts = {
        "cpu": _cpu_facts().get("model name") or platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }
    if device is not None and device.type == "cuda":
        import torch

        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def machine_text(facts: Mapping[str, Any]) -> str:
    """Return what `machine` gave in a few words: the GPU where there was one, and the processor."""
    gpu = f"{facts['gpu']} beside " if facts.get("gpu") else ""
    cores = facts["cores"]
    return f"{gpu}{facts['cpu']}, {cores} core{'' if cores == 1 else 's'}"


def commit(folder: Path | None = None) -> str:
    """Return the git commit of ``folder`` (mien's own source by default), ``+`` if changed.

    ``"unknown"`` where git tracks nothing of it: an installed mien often lies inside somebody else's repository.
    """
    place = str(folder or Path(__file__).parent)
    try:
        _git(place, "ls-files", "--error-unmatch", ".")
        head = _git(place, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(place, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(place: str, *arguments: str) -> str:
    command = ["git", "-C", place, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return done.stdout.strip()
