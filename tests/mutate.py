"""Damaged copies of a file, for tests that nothing but our own errors comes of them."""

import numpy as np


def mutated(data, rng, header=512):
    """Return the bytes with a few of the header's changed, some copied elsewhere, or the rest cut off."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        place = int(rng.integers(0, min(header, len(changed))))
        kind = rng.integers(0, 4)
        if kind == 0:
            changed[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            changed[place] = int(rng.choice(np.array([0, 1, 0x7F, 0x80, 0xFE, 0xFF])))
        elif kind == 2:
            length = int(rng.integers(1, 9))
            start = int(rng.integers(0, len(changed)))
            changed[place : place + length] = changed[start : start + length]
        else:
            changed[place] = int(rng.integers(0, 256))
    if rng.random() < 0.1:
        del changed[int(rng.integers(1, len(changed))) :]
    return bytes(changed)
