"""`mien bench`: how fast recognising is on the user's own machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import ModelOption
from mien.errors import MienError
from mien.replacing import temporary_folder

if TYPE_CHECKING:
    from mien.types import Image

__all__ = ["bench"]

BATCH_SIZES = (1, 8, 32)

_SCENES = (("happiness", "neutral", "sadness"), ("anger",), ("happiness", "disgust"), ("neutral",))
"""What is drawn: one to three faces a picture."""

_SIDES_PX = (640, 480)

_NUM_FRAMES = 250
"""Of the drawn recording: ten seconds."""
_SWAY_PX = 30


def bench(
    model: ModelOption = "mien-s",
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="How often each thing is timed; medians count.")
    ] = 20,
    pictures: Annotated[
        int, typer.Option("--pictures", min=1, help="Files for the measurement from end to end.")
    ] = 100,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: the figures, the processor, the versions.")
    ] = False,
) -> None:
    """Time the detectors, the network, and both together on drawn pictures and a drawn recording.

    Close other programs first: whatever else runs makes the figures worse. Nothing is sent anywhere.
    """
    report = _measure(model, repeats, pictures)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _print_report(report)


def _measure(model: str, repeats: int, num_pictures: int) -> dict[str, Any]:
    from mien.data.synthetic import draw_scene
    from mien.modelfile import load_model
    from mien.recognition.speed import time_classifier
    from mien.runtime import machine

    opened = load_model(model)
    facts = machine()
    classifier = []
    for threads in sorted({1, facts["cores"]}):
        classifier += time_classifier(
            load_model(opened.path, threads), threads, BATCH_SIZES, repeats
        )
    width, height = _SIDES_PX
    scenes = [draw_scene(each, seed, width, height)[0] for seed, each in enumerate(_SCENES)]
    detectors, left_out = _time_detectors(scenes, repeats)
    return {
        "machine": facts,
        "model": {"name": opened.info.name, "bytes": opened.path.stat().st_size},
        "picture_px": list(_SIDES_PX),
        "detectors": detectors,
        "detectors_left_out": left_out,
        "classifier": [asdict(speed) for speed in classifier],
        "end_to_end": _time_folders(opened, scenes, num_pictures, detectors),
        "video": _time_videos(opened, scenes[0], detectors),
    }


def _time_detectors(
    scenes: list[Image], repeats: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the speed of each detector that can be opened, and why the others cannot."""
    from mien.faces import DETECTORS, open_detector
    from mien.recognition.speed import time_detector

    timed, left_out = [], {}
    for spec in DETECTORS:
        if spec.name in ("auto", "none"):  # one of the others, and no search at all
            continue
        try:
            detector = open_detector(spec.name)
        except MienError as error:
            left_out[spec.name] = str(error)
            continue
        timed.append(asdict(time_detector(detector, scenes, repeats)))
    return timed, left_out


def _time_folders(
    model: Any, scenes: list[Image], num_pictures: int, detectors: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    from mien import images
    from mien.recognition import Recognizer
    from mien.recognition.speed import time_folder

    with temporary_folder("mien-bench-") as folder:
        paths = [folder / f"{number}.jpg" for number in range(num_pictures)]
        for number, path in enumerate(paths):
            images.write(path, scenes[number % len(scenes)])
        return [
            asdict(time_folder(Recognizer(model, detector=timed["detector"]), paths))
            for timed in detectors
        ]


def _time_videos(model: Any, scene: Image, detectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Watch a recording of the first scene, whose faces go to and fro."""
    import math

    import numpy as np

    from mien.recognition import Recognizer
    from mien.recognition.film import open_film
    from mien.recognition.speed import time_video

    with temporary_folder("mien-bench-") as folder:
        path = folder / "drawn.mp4"
        with open_film(path) as write:
            for number in range(_NUM_FRAMES):
                shift_px = round(_SWAY_PX * math.sin(number / 20))
                write(np.roll(scene, shift_px, axis=1), number / 25)
        return [
            asdict(time_video(Recognizer(model, detector=timed["detector"]), path))
            for timed in detectors
        ]


def _print_report(report: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mien.runtime import machine_text

    console = Console(highlight=False)
    facts, model = report["machine"], report["model"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    console.print(
        f"{machine_text(facts)}, {facts['system']}\nPython {facts['python']}, {versions}\n"
        f"Model {model['name']}, {model['bytes'] / 1e6:.1f} MB",
        markup=False,
        soft_wrap=True,
    )
    width, height = report["picture_px"]
    rows = [
        *(
            (f"find faces: {one['detector']}", f"{one['ms_a_picture']:.2f} ms", "a picture")
            for one in report["detectors"]
        ),
        *(
            (
                f"classify: {one['threads']} thread{'s' * (one['threads'] > 1)}, batch {one['batch_size']}",
                f"{one['ms_a_face']:.3f} ms",
                "a face",
            )
            for one in report["classifier"]
        ),
        *(
            (
                f"files to answers: {one['detector']}",
                f"{one['pictures_a_second']:.0f}",
                f"pictures a second, {one['faces']} faces in {one['pictures']}",
            )
            for one in report["end_to_end"]
        ),
        *(
            (
                f"a recording to its rows: {one['detector']}",
                f"{one['frames_a_second']:.0f}",
                f"frames a second, {one['faces']} faces in {one['frames']}",
            )
            for one in report["video"]
        ),
    ]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column(f"drawn pictures, {width} × {height} px", no_wrap=True)
    table.add_column("median", justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for name, reason in report["detectors_left_out"].items():
        console.print(f"{name} left out: {reason}", markup=False, soft_wrap=True)
