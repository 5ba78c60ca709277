"""`mien doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.errors import ConfigError, MienError
from mien.replacing import temporary_folder

__all__ = ["doctor"]

_CODECS = {"mp4v": ".mp4", "MJPG": ".avi"}
"""FourCC -> ending of the files that are tried: those whose encoders OpenCV's wheels carry."""


def doctor(
    open_cameras: Annotated[
        bool,
        typer.Option(
            "--open-cameras",
            help="Open each camera and read one frame, which is kept nowhere; its light may go on.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show versions, detectors, model files, cameras, video codecs, the cache and fonts.

    Exit code 0: pictures can be recognised, without an option; 1: they cannot, and a line says why. Nothing is sent anywhere.
    """
    report = _examine(open_cameras)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _print_report(report)
    if not report["can_recognise"]:
        raise typer.Exit(1)


def _examine(open_cameras: bool) -> dict[str, Any]:
    from mien.recognition.draw import hangul_font
    from mien.runtime import machine

    detectors, models = _detectors(), _models()
    return {
        "can_recognise": any(one["problem"] is None for one in models)
        # What commands use that are told no other one.
        and all(one["problem"] is None for one in detectors if one["name"] == "auto"),
        "machine": machine(),
        "detectors": detectors,
        "models": models,
        "cameras": _cameras(open_cameras),
        "video": _video(),
        "cache": _cache(),
        "korean_font": hangul_font(),
    }


def _detectors() -> list[dict[str, Any]]:
    from mien.faces import DETECTORS, open_detector

    found = []
    for spec in DETECTORS:
        problem = None
        try:
            name = open_detector(spec.name).name
        except MienError as error:
            name, problem = spec.name, str(error)
        found.append({"name": spec.name, "is": name, "problem": problem})
    return found


def _models() -> list[dict[str, Any]]:
    from mien.checksums import sha256_of
    from mien.modelfile import list_models, load_model
    from mien.paths import weights_dir

    found = []
    for name in list_models():
        path = weights_dir() / f"{name}.onnx"
        problem, heads = None, {}
        try:
            heads = {head.name: len(head.labels) for head in load_model(path).info.heads}
        except MienError as error:
            problem = str(error)
        found.append(
            {
                "name": name,
                "path": str(path),
                "bytes": path.stat().st_size,
                "sha256": sha256_of(path),
                "heads": heads,
                "problem": problem,
            }
        )
    return found


def _cameras(open_them: bool) -> list[dict[str, Any]]:
    """List what Linux calls a video device; elsewhere only opening tells, so the first is tried if asked."""
    # So video2 comes before video10.
    devices = sorted(Path("/dev").glob("video*"), key=lambda path: (len(path.name), path.name))
    found: list[dict[str, Any]] = [{"device": str(path), "frame_px": None} for path in devices]
    if open_them:
        for camera in found:
            camera["frame_px"] = _frame_px(camera["device"])
        if sys.platform != "linux":
            found.append({"device": "0", "frame_px": _frame_px(0)})
    return found


def _frame_px(device: str | int) -> list[int] | None:
    """Read one frame and return its width and height; None if none comes."""
    import cv2

    capture = cv2.VideoCapture(device)
    try:
        is_read, frame = capture.read()
        return [frame.shape[1], frame.shape[0]] if is_read else None
    finally:
        capture.release()


def _video() -> dict[str, Any]:
    """Return OpenCV's ways to read and write video, and which codecs come back after writing."""
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(0)  # a codec that is not there is an answer here, no error
    try:
        names = [
            cv2.videoio_registry.getBackendName(backend)
            for backend in cv2.videoio_registry.getBackends()
        ]
        codecs, problem = _codecs()
    finally:
        cv2.utils.logging.setLogLevel(level)
    return {"backends": list(dict.fromkeys(names)), "codecs": codecs, "problem": problem}


def _codecs() -> tuple[dict[str, bool], str | None]:
    """Return which codecs come back, and why none was tried."""
    try:
        with temporary_folder("mien-doctor-") as folder:
            tried = {
                codec: _comes_back(folder / (codec + ending), codec)
                for codec, ending in _CODECS.items()
            }
    except ConfigError as error:
        return {}, str(error)
    return tried, None


def _comes_back(path: Path, codec: str) -> bool:
    """Write three frames and read them again."""
    import cv2
    import numpy as np

    size = (64, 48)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, size)
    if not writer.isOpened():
        return False
    for value in (0, 120, 240):
        writer.write(np.full((size[1], size[0], 3), value, np.uint8))
    writer.release()
    capture = cv2.VideoCapture(str(path))
    num_read = 0
    while capture.read()[0]:
        num_read += 1
    capture.release()
    return num_read == 3


def _cache() -> dict[str, Any]:
    from mien.paths import cache_dir

    folder = cache_dir()
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {
        "path": str(folder),
        "exists": folder.is_dir(),
        "files": len(sizes),
        "bytes": sum(sizes),
    }


def _print_report(report: dict[str, Any]) -> None:
    from mien.runtime import machine_text

    facts = report["machine"]
    lines = [
        ("machine", f"{machine_text(facts)}, {facts['system']}"),
        ("python", facts["python"]),
        *((name, version) for name, version in facts["versions"].items()),
        *_detector_lines(report["detectors"]),
        *_model_lines(report["models"]),
        *_camera_lines(report["cameras"]),
        *_video_lines(report["video"]),
        ("cache", _cache_line(report["cache"])),
        ("Korean font", report["korean_font"] or "none: apt install fonts-nanum, on Debian"),
        (
            "",
            "mien can recognise pictures."
            if report["can_recognise"]
            else "mien cannot recognise pictures.",
        ),
    ]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        typer.echo(f"{name:<{width}}  {text}".rstrip() if name else text)


def _detector_lines(detectors: list[dict[str, Any]]) -> list[tuple[str, str]]:
    lines = []
    for one in detectors:
        stands_for = f"ready: {one['is']}" if one["is"] != one["name"] else "ready"
        lines.append((f"detector {one['name']}", one["problem"] or stands_for))
    return lines


def _model_lines(models: list[dict[str, Any]]) -> list[tuple[str, str]]:
    if not models:
        return [("models", "none ships with this installation; name a file: --model FILE.onnx")]
    lines = []
    for one in models:
        heads = ", ".join(f"{name} ({labels})" for name, labels in one["heads"].items())
        text = f"{heads}, {one['bytes'] / 1e6:.1f} MB, SHA-256 {one['sha256']}"
        lines.append((f"model {one['name']}", one["problem"] or text))
    return lines


def _camera_lines(cameras: list[dict[str, Any]]) -> list[tuple[str, str]]:
    if not cameras:
        return [("cameras", "none seen")]
    lines = []
    for one in cameras:
        px = one["frame_px"]
        lines.append(("camera", one["device"] + (f", gives {px[0]} × {px[1]} px" if px else "")))
    return lines


def _video_lines(video: dict[str, Any]) -> list[tuple[str, str]]:
    works = [codec for codec, comes_back in video["codecs"].items() if comes_back]
    fails = [codec for codec, comes_back in video["codecs"].items() if not comes_back]
    written = ", ".join(works) or "nothing"
    tried = f"writes {written}" + (f"; not {', '.join(fails)}" if fails else "")
    return [
        ("video backends", ", ".join(video["backends"])),
        ("video codecs", video["problem"] or tried),
    ]


def _cache_line(cache: dict[str, Any]) -> str:
    if not cache["exists"]:
        return f"{cache['path']}, not there yet"
    return f"{cache['path']}, {cache['files']} files, {cache['bytes'] / 1e6:.1f} MB"
