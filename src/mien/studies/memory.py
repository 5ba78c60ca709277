"""How often Linux has killed a process because memory ran out: what tells such a death from any other.

A process that is killed so cannot say why it ended. Whoever takes its run up sees that the count has risen meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["MemoryKills", "memory_kills"]


@dataclass(frozen=True, kw_only=True)
class MemoryKills:
    """A count that compares with others of the same machine since the same start."""

    boot: str
    """What the machine calls this time that it was started."""
    count: int
    """Processes that it has killed for memory since."""

    def since(self, other: MemoryKills | None) -> bool:
        """Whether somebody was killed for memory since then, on this machine; False where that is not known."""
        return other is not None and other.boot == self.boot and other.count < self.count


def memory_kills(proc: Path = Path("/proc")) -> MemoryKills | None:
    """Read the count; None where the system keeps none, as outside Linux.

    Args:
        proc: Where the kernel shows its figures.
    """
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        lines = dict(line.split() for line in (proc / "vmstat").read_text().splitlines())
        return MemoryKills(boot=boot, count=int(lines["oom_kill"]))
    except (OSError, ValueError, KeyError):
        return None
