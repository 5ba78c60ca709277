import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien import images
from mien.data.synthetic import draw_scene
from mien.recognition.pictures import look_at_all

MEASURE = """
import resource, sys, mien
recognizer = mien.Recognizer(sys.argv[1], detector="none")
failed = faces = 0
for number, result in enumerate(recognizer.predict_many(sys.argv[3:] * int(sys.argv[2]), 32, 2)):
    failed += result.error is not None
    faces += len(result.faces)
    if number == 99:
        early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early
print(number + 1, failed, faces, grown)
"""


def test_groups_hold_at_most_one_batch_and_pictures_without_faces_do_not_pile_up(tmp_path):
    images.write(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    groups = list(look_at_all([tmp_path / "a.png"] * 50, lambda _: (), batch_size=3, jobs=2))
    assert [len(group) for group in groups] == [12, 12, 12, 12, 2]


def test_a_fault_in_the_detector_is_no_damaged_picture(tmp_path):
    images.write(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))

    def find(_):
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(look_at_all([tmp_path / "a.png"], find, 2, 1))


def draw_folder(folder: Path, num: int, num_damaged: int, size_px=(240, 160)) -> None:
    """Pictures with two drawn faces each, of which some are cut short."""
    scenes = [draw_scene(["happiness", "sadness"], seed, *size_px)[0] for seed in range(5)]
    for number in range(num):
        path = folder / f"{number:04}.jpg"
        images.write(path, scenes[number % len(scenes)])
        if number % (num // num_damaged) == 7:
            path.write_bytes(path.read_bytes()[:300])


@pytest.mark.slow
def test_a_thousand_photos_of_which_twenty_are_damaged(tiny_model_path, tmp_path):
    draw_folder(tmp_path / "photos", 1000, 20)
    command = [sys.executable, "-c", "from mien.cli import main; main()", "predict"]
    options = ["--model", tiny_model_path, "--format", "jsonl", "--output", "found.jsonl"]
    done = subprocess.run(
        [*command, "photos", *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    named = done.stderr.splitlines()
    assert [line[: len("mien: photos/0007.jpg is damaged")] for line in named] == [
        f"mien: photos/{number:04}.jpg is damaged" for number in range(7, 1000, 50)
    ]
    records = (tmp_path / "found.jsonl").read_text("utf-8").splitlines()
    assert len(records) == 1000
    assert sum('"error": null' in record for record in records) == 980


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units")
def test_memory_stays_flat_however_many_pictures_there_are(tiny_model_path, tmp_path):
    draw_folder(tmp_path, 50, 2, size_px=(1600, 1200))  # 5.8 MB each: kept ones would show at once
    paths = sorted(map(str, tmp_path.glob("*.jpg")))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tiny_model_path, "8", *paths],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    num, failed, faces, grown_kb = map(int, done.stdout.split())
    assert (num, failed, faces) == (400, 16, 384)
    assert grown_kb < 30_000
