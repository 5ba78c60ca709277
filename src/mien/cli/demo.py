"""`mien demo`: a page to try it in a browser."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


class Share(StrEnum):
    """Who may see the page besides this computer."""

    NEVER = "never"


def demo(
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65535, help="Where on this computer; 0 takes a free one."
        ),
    ] = 7860,
    _share: Annotated[
        Share,
        typer.Option(
            "--share",
            help="Nobody but this computer can open the page: people's faces never go through somebody else's tunnel.",
        ),
    ] = Share.NEVER,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Name of a model or path of a model file; again for more. Default: all that ship.",
        ),
    ] = None,
    results: Annotated[
        Path, typer.Option("--results", help="Folder with the leaderboard's result rows.")
    ] = Path("results"),
) -> None:
    """Open a page to try mien: photo, webcam, recording, two models side by side, results. Ctrl-C ends it."""
    # OpenCV and its FFmpeg would talk about uploads that are no recordings; the page says it. They read this once.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

    from mien.demo import serve
    from mien.images import quiet_decoders
    from mien.modelfile import list_models

    def announce(address: str) -> None:
        typer.echo(f"The page is at {address} , for this computer only. Ctrl-C ends it.")

    quiet_decoders()
    serve(model or list_models(), port, results, announce)
