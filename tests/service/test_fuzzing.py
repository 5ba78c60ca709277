"""Bodies that nobody means: damaged pictures, forms and JSON. Nothing fails here, nothing grows."""

import base64
import gc
import random

import cv2
import numpy as np
import pytest
from service_calls import error_of

from mien.data.synthetic import draw_scene

BOUNDARY = "multipart/form-data; boundary=XX"
EXPECTED = {200, 400, 413, 415, 422}


def seeds():
    """Good bodies of every kind with their content type."""
    scene, _ = draw_scene(["happiness"], seed=1, width_px=96, height_px=80)
    found = []
    for ending, kind in (
        (".jpg", "image/jpeg"),
        (".png", "image/png"),
        (".webp", "image/webp"),
        (".bmp", "image/bmp"),
        (".tiff", "image/tiff"),
    ):
        data = cv2.imencode(ending, scene)[1].tobytes()
        found.append((kind, data))
    jpeg = found[0][1]
    form = b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' + jpeg + b"\r\n--XX--\r\n"
    found += [(BOUNDARY, form.replace(b"%s", name)) for name in (b"file", b"img")]
    text = base64.b64encode(jpeg).decode()
    found += [
        ("application/json", f'{{"{name}": "{text}"}}'.encode()) for name in ("picture", "img")
    ]
    found.append(
        ("application/x-www-form-urlencoded", f"image={text.replace('+', '%2B')}".encode())
    )
    return found


def mutate(data, rng):
    """Change, cut, double or swap a few stretches of bytes."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if not data:
            break
        place, length = rng.randrange(len(data)), rng.choice((1, 1, 2, 4, 64))
        # Heads are where formats decide: half of the changes go there.
        place = place if rng.random() < 0.5 else min(place, rng.randrange(64))
        action = rng.randrange(5)
        if action == 0:
            data[place : place + length] = rng.randbytes(length)
        elif action == 1:
            del data[place : place + length]
        elif action == 2:
            data[place:place] = data[place : place + length] * rng.randrange(1, 9)
        elif action == 3:
            data[place : place + 4] = rng.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\r\n--")
            )
        else:
            del data[rng.randrange(len(data)) :]
    return bytes(data)


def throw(client, number, seed):
    """Send so many mutated bodies; return how often each status came."""
    rng, found, good = random.Random(seed), {}, seeds()
    paths = ["/v1/predict", "/v1/predict", "/v1/predict/faces", "/analyze", "/main"]
    for _ in range(number):
        kind, body = rng.choice(good)
        path = rng.choice(paths)
        if rng.random() < 0.05:
            kind = rng.choice(
                ("", "text/plain", "multipart/form-data", "image/", "application/json", BOUNDARY)
            )
        answer = client.post(path, content=mutate(body, rng), headers={"content-type": kind})
        assert answer.status_code in EXPECTED, (path, kind, answer.status_code, answer.text[:300])
        if answer.status_code != 200:
            error_of(answer)
        found[answer.status_code] = found.get(answer.status_code, 0) + 1
    return found


def rss_mb():
    with open("/proc/self/statm") as file:  # noqa: PTH123 - no file of ours
        return int(file.read().split()[1]) * 4096 / 2**20


def test_mutated_bodies_are_answered(open_client):
    client = open_client(max_pixels=100_000)
    found = throw(client, 300, seed=0)
    assert set(found) >= {200, 422}


@pytest.mark.slow
def test_ten_thousand_mutated_bodies_leave_the_memory_as_it_was(open_client):
    client = open_client(max_pixels=100_000)
    throw(client, 1500, seed=1)
    gc.collect()
    before = rss_mb()
    found = throw(client, 10_000, seed=2)
    gc.collect()
    assert sum(found.values()) == 10_000
    assert set(found) >= {200, 413, 415, 422}
    assert rss_mb() - before < 20


@pytest.mark.slow
def test_bombs_are_cheap(open_client):
    """Pictures of little data and many pixels: none is decoded, no matter what format."""
    client = open_client(max_pixels=1_000_000)
    large = np.zeros((6000, 6000), np.uint8)
    before = rss_mb()
    for ending in (".png", ".tiff", ".webp", ".jpg"):
        data = cv2.imencode(ending, large)[1].tobytes()
        answer = client.post("/v1/predict", content=data, headers={"content-type": "image/png"})
        assert error_of(answer)[:2] == (413, "picture_too_large"), ending
    del large
    gc.collect()
    assert rss_mb() - before < 100
