"""How long a person waits: importing mien, its help, and one photo from a cold start.

    python benchmarks/startup.py [PHOTO] [--repeats 7]

Without a photo it takes the portrait that scikit-image carries, or a drawn grey picture where that is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mien.images import write

MIEN = "from mien.cli import main; main()"
LIMITS_S = {"import mien": 0.2, "mien --help": 0.5, "mien predict PHOTO": 1.5}


def sample_photo(folder: Path) -> Path:
    """Return a photo to read."""
    found = importlib.util.find_spec("skimage")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "data" / "astronaut.png"
    write(folder / "grey.png", np.full((512, 512, 3), 128, np.uint8))
    return folder / "grey.png"


def median_s(arguments: list[str], repeats: int) -> float:
    """Return the median wall time of a fresh interpreter, in seconds; the first start is not counted."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", *arguments], capture_output=True, text=True, check=False
        )
        times.append(time.perf_counter() - started)
        if done.returncode:
            sys.exit(f"{arguments} failed: {done.stderr.strip()}")
    return statistics.median(times[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo = asked.photo or sample_photo(Path(folder))
        commands = {
            "python, nothing else": ["pass"],
            "import mien": ["import mien"],
            "mien --help": [MIEN, "--help"],
            "mien predict PHOTO": [MIEN, "predict", str(photo)],
        }
        print(f"median of {asked.repeats} cold starts, {photo.name}")
        for name, arguments in commands.items():
            limit = f"  (at most {LIMITS_S[name]} s)" if name in LIMITS_S else ""
            print(f"{name:24s}{median_s(arguments, asked.repeats):6.3f} s{limit}")


if __name__ == "__main__":
    main()
