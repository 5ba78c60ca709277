"""Seconds to load 300 MB of FER2013 as CSV, from the file and from the cache, beside a plain pandas-style loop.

    python benchmarks/data_loading.py [--rows 35887] [--peer-rows 2000] [--json FILE]

The file is made in a temporary folder from random pixels: as long as the real one, which holds no secret of speed.
The peer is the loop of most FER2013 tutorials, ``np.array(pixels.split(), dtype=…)`` for each row of a table; it reads
a slice of the rows, and its time is scaled to all of them. All in one process, on one thread.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mien.data import open_dataset

FER2013_ROWS = 35_887
USAGES = ("Training",) * 8 + ("PublicTest", "PrivateTest")


def main() -> None:
    """Make the file, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=FER2013_ROWS, help="rows of the file")
    parser.add_argument("--peer-rows", type=int, default=2000, help="rows that the peer reads")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    figures = measure(arguments.rows, min(arguments.peer_rows, arguments.rows))
    for name, value in figures.items():
        print(f"{name:22} {value:10.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(num_rows: int, num_peer_rows: int) -> dict[str, float]:
    """Time the reader, the cache and the peer on one file."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MIEN_CACHE"] = str(Path(folder) / "cache")
        file = Path(folder) / "fer2013.csv"
        write_csv(file, num_rows)
        cpu_s = time.process_time()
        read_s = seconds(lambda: open_dataset(file, use_cache=False))
        cpu_s = time.process_time() - cpu_s
        read_and_store_s = seconds(lambda: open_dataset(file))
        cached_s = seconds(lambda: open_dataset(file).images.sum())  # every page is touched
        peer_s = seconds(lambda: read_plainly(file, num_peer_rows)) * num_rows / num_peer_rows
        return {
            "rows": num_rows,
            "megabytes": file.stat().st_size / 1e6,
            "read_s": read_s,
            "read_cpu_s": cpu_s,  # far below read_s, the machine was busy with something else
            "read_and_store_s": read_and_store_s,
            "cached_s": cached_s,
            "peer_scaled_s": peer_s,
            "peer_rows_measured": num_peer_rows,
        }


def write_csv(file: Path, num_rows: int) -> None:
    """Write random faces in the challenge's layout."""
    generator = np.random.default_rng(0)
    words = [str(value) for value in range(256)]
    with file.open("w", encoding="ascii") as out:
        out.write("emotion,pixels,Usage\n")
        for row in range(num_rows):
            # Mostly three digits, as in the real file: 8.4 kB a row.
            pixels = generator.integers(40, 256, 2304).tolist()
            text = " ".join([words[value] for value in pixels])
            out.write(f"{row % 7},{text},{USAGES[row % len(USAGES)]}\n")


def read_plainly(file: Path, num_rows: int) -> np.ndarray:
    """The peer: one row at a time through split."""
    csv.field_size_limit(1 << 20)
    faces = []
    with file.open(newline="", encoding="ascii") as text:
        for _, row in zip(range(num_rows), csv.DictReader(text), strict=False):
            faces.append(np.array(row["pixels"].split(), dtype=np.uint8).reshape(48, 48))
    return np.stack(faces)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
