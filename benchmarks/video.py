"""Frames a second of a recording, end to end, beside a plain loop of the same parts; and memory over a long one.

    python benchmarks/video.py [MODEL] [--video CLIP.mp4] [--frames 300] [--detectors haar yunet] [--json]
    python benchmarks/video.py [MODEL] --memory --frames 20000

Both ways decode, detect, track, classify and write the same CSV table. The plain loop does one frame after the other and
searches all of each; ours overlaps them in threads, searches known faces where they should be, and classifies several
frames at once. The two take turns and the best of the rounds counts. Beside them: the detector alone, which tells how fast
the machine is. Without --video a recording is drawn: one face that moves, 596 × 336 px.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from mien.data.synthetic import draw_scene
from mien.errors import MienError
from mien.faces import Detector, crop_detection, open_detector
from mien.faces.scaled import scaled
from mien.faces.track import Tracker
from mien.modelfile import Model, load_model
from mien.processors import usable_cores
from mien.recognition import Recognizer
from mien.recognition.film import open_film
from mien.recognition.smoothing import Smoothed, Smoothing, smooth
from mien.recognition.source import open_source
from mien.recognition.table import open_table
from mien.recognition.video import SEARCH_PX, search
from mien.types import Box, Detection, Image, VideoRow

SIZE = (596, 336)
ALONE_PX = 320
WARM_UP = 0.2
"""Share of the frames after which memory is taken for settled."""


class Middle:
    """A detector that costs nothing, so that a long recording is over soon."""

    name = "middle"
    frame = None

    def detect(self, image: Image) -> list[Detection]:
        """Return a box in the middle."""
        height, width = image.shape[:2]
        return [Detection(Box(width // 4, height // 4, width // 2, height // 2), 1.0)]


def main() -> int:
    """Measure and print."""
    asked = _arguments()
    cv2.setNumThreads(1)  # as mien watch does; the plain loop is faster so too
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            model = load_model(asked.model)
            clip = asked.video or draw_video(folder / "drawn.mp4", asked.frames)
            if asked.memory:
                report = memory(Recognizer(model, detector=Middle()), clip)
            else:
                report = speed(model, asked.detectors, clip, folder, asked.rounds)
        except MienError as error:
            print(f"video: {error}", file=sys.stderr)
            return 2
    facts = {"cpu": platform.processor() or platform.machine(), "cores": usable_cores()}
    if asked.json:
        print(json.dumps({**facts, "model": model.path.name, "opencv": cv2.__version__, **report}))
        return 0
    for key, value in report.items():
        print(f"{key}: {value}")
    return 0


def draw_video(path: Path, frames: int) -> Path:
    """Write a recording of one face that goes to and fro."""
    scene, _ = draw_scene(("neutral",), seed=3, width_px=SIZE[0], height_px=SIZE[1])
    with open_film(path) as write:
        for number in range(frames):
            write(np.roll(scene, round(60 * np.sin(number / 20)), axis=1), number / 25)
    return path


def speed(
    model: Model, names: list[str], clip: Path, folder: Path, rounds: int
) -> dict[str, object]:
    """Return frames a second of both ways for each detector."""
    rows: dict[str, object] = {}
    for name in names:
        try:
            detector = open_detector(name)
        except MienError as error:
            rows[name] = f"left out: {error}"
            continue
        recognizer = Recognizer(model, detector=detector)
        rates: dict[str, list[float]] = {"plain": [], "mien": []}
        for _ in range(rounds):
            for way, work in (("plain", plain_loop), ("mien", overlapped)):
                started = time.perf_counter()
                count = work(recognizer, clip, folder / f"{way}.csv")
                rates[way].append(count / (time.perf_counter() - started))
        best = {way: round(max(all_), 1) for way, all_ in rates.items()}
        rows[name] = {
            **best,
            "ratio": round(best["mien"] / best["plain"], 2),
            f"alone at {ALONE_PX} px": alone(detector, clip, rounds),
        }
    return rows


def alone(detector: Detector, clip: Path, rounds: int) -> float:
    """Return how many frames of a recording one thread searches a second, once they are decoded and made small."""
    with open_source(clip) as source:
        frames = [
            scaled(one.image, ALONE_PX / max(one.image.shape)) for one in source.frames(end=2)
        ]
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        for frame in frames:
            detector.detect(frame)
        seconds.append(time.perf_counter() - started)
    return round(len(frames) / min(seconds), 1)


def overlapped(recognizer: Recognizer, clip: Path, table: Path) -> int:
    """Watch a recording and write its table; return the number of frames."""
    frames = set()
    with open_table(table, recognizer.labels) as write:
        for row in recognizer.watch(clip):
            write(row)
            frames.add(row.frame)
    return len(frames)


def plain_loop(recognizer: Recognizer, clip: Path, table: Path) -> int:
    """Do the same, one frame and one face after the other."""
    detector: Detector = recognizer.detector
    capture, tracker, number = cv2.VideoCapture(str(clip)), Tracker(), 0
    past: dict[int, Smoothed] = {}
    with open_table(table, recognizer.labels) as write:
        while True:
            done, image = capture.read()
            if not done:
                break
            time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            picture = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            found = search(detector, picture, SEARCH_PX)
            tracks = tracker.update([face.box for face in found], time_s)
            if not found:
                write(VideoRow(frame=number, time_s=time_s))
            for track, face in zip(tracks, found, strict=True):
                crop = crop_detection(picture, face, detector.frame)
                (answer,) = recognizer.predict_faces([crop])
                probs = np.array(list(answer.probabilities.values()))
                now = past[track] = smooth(past.get(track), probs, time_s, Smoothing())
                row = VideoRow(
                    frame=number,
                    time_s=time_s,
                    track=track,
                    box=face.box,
                    score=face.score,
                    expression=recognizer.labels[now.label],
                    confidence=float(now.probs[now.label]),
                    probabilities=answer.probabilities,
                    smoothed=dict(zip(recognizer.labels, now.probs.tolist(), strict=True)),
                )
                write(row)
            number += 1
    capture.release()
    return number


def memory(recognizer: Recognizer, clip: Path) -> dict[str, object]:
    """Return how much the resident memory grows once a recording runs."""
    settled_mb, highest_mb, count = 0.0, 0.0, 0
    announced = cv2.VideoCapture(str(clip)).get(cv2.CAP_PROP_FRAME_COUNT)
    for row in recognizer.watch(clip):
        count = row.frame + 1
        if count == int(WARM_UP * announced):
            settled_mb = resident_mb()
        elif count % 50 == 0:
            highest_mb = max(highest_mb, resident_mb())
    return {
        "frames": count,
        "resident MB after a fifth": round(settled_mb, 1),
        "growth MB": round(highest_mb - settled_mb, 1),
    }


def resident_mb() -> float:
    """Return the resident memory of this process; Linux tells it in /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="mien-s", help="a model's name or file")
    parser.add_argument("--video", type=Path, help="a recording; without it, one is drawn")
    parser.add_argument("--frames", type=int, default=300, help="of the drawn recording")
    parser.add_argument("--detectors", nargs="+", default=["haar", "yunet"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="memory over the frames, not speed")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
