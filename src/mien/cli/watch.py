"""`mien watch`: the expressions of everyone in a recording or before a camera, over time."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.failures import say_failure
from mien.cli.options import (
    DetectorFileOption,
    DetectorOption,
    LabelsOption,
    Language,
    ModelOption,
    Prior,
    PriorOption,
)
from mien.errors import ConfigError, MienError, VideoError
from mien.interrupts import interrupted_by_signals

if TYPE_CHECKING:
    from mien.recognition.source import VideoSource
    from mien.recognition.timeline import Timeline
    from mien.types import WatchedFrame

__all__ = ["watch"]

Consumer = Callable[["WatchedFrame"], None]


class _Ended(Exception):  # noqa: N818 - no error: the person at the screen has seen enough
    """The window was closed."""


def watch(  # noqa: PLR0913 - one argument an option
    source: Annotated[
        str,
        typer.Argument(help="A recording, the number of a camera, or a URL: rtsp://…, http://…"),
    ],
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Write one row a frame and face: .csv, .jsonl or .parquet."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Write the recording with its faces framed: .mp4."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", help="Look at no more than so many frames a second.")
    ] = None,
    max_faces: Annotated[
        int | None,
        typer.Option("--max-faces", help="Follow only the so many largest faces of a frame."),
    ] = None,
    display: Annotated[
        bool, typer.Option("--display", help="Show it in a window; q or Esc ends it.")
    ] = False,
    start: Annotated[float | None, typer.Option("--start", help="Begin there, in seconds.")] = None,
    end: Annotated[
        float | None, typer.Option("--end", help="Stop before this time, in seconds.")
    ] = None,
    search_px: Annotated[
        int,
        typer.Option(
            "--search-px",
            help="Look for faces in frames of this longer side: larger finds smaller faces, slower.",
        ),
    ] = 400,
    full_look: Annotated[
        float,
        typer.Option(
            "--full-look",
            help="Seconds between searches of the whole frame; between, only around known faces. A new face waits so "
            "long at most. 0: always.",
        ),
    ] = 0.3,
    probation: Annotated[
        float,
        typer.Option(
            "--probation",
            help="Faces that last under so many seconds are left out: most are mistakes. 0: none is.",
        ),
    ] = 0.3,
    labels: LabelsOption = None,
    lang: Annotated[
        Language,
        typer.Option(
            "--lang", help="Language of the expressions, in the summary and on the frames."
        ),
    ] = Language.EN,
    model: ModelOption = "mien-s",
    prior: PriorOption = Prior.TRAINING,
    detector: DetectorOption = "auto",
    detector_file: DetectorFileOption = None,
) -> None:
    """Follow the faces of a recording or a camera and say who showed which expression for how long.

    Exit code 0: all done; 1: the recording broke off or was interrupted, all rows up to there are written, or --save
    failed and the rest is done; 2: nothing could be done, or --table not to its end. Ctrl-C ends a camera; SIGTERM and
    SIGHUP do as it does.
    """
    # FFmpeg would talk over the bar and the summary; what matters of it comes as an error. OpenCV reads this once.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

    import cv2

    from mien.faces import open_detector
    from mien.recognition import Recognizer
    from mien.recognition.source import open_source
    from mien.recognition.timeline import Timeline
    from mien.recognition.video import watch_frames

    # Several frames are searched at once, so OpenCV's own threads would only be in the way: YuNet loses a fifth.
    cv2.setNumThreads(1)
    _check_places(source, table, save)
    show = _open_window() if display else None
    finder = open_detector(detector, detector_file)
    recognizer = Recognizer(model, labels, finder, prior=prior)
    with _quiet_opencv():
        opened = open_source(source)
    frames = watch_frames(
        recognizer,
        opened,
        fps=fps,
        max_faces=max_faces,
        start=start,
        end=end,
        search_px=search_px,
        full_look_s=full_look,
        probation_s=probation,
    )
    timeline = Timeline()
    failures: list[str] = []
    with interrupted_by_signals(), _quiet_opencv(), contextlib.ExitStack() as stack:
        consumers: list[Consumer] = [_into(timeline)]
        if table:
            consumers.append(stack.enter_context(_tabled(table, recognizer.labels)))
        if save or show:
            is_alone = not (table or show)
            film = stack.enter_context(_filmed(save, is_alone, failures)) if save else None
            consumers.append(_drawn(lang, [write for write in (film, show) if write]))
        stopped = _go(_with_progress(frames, opened, start, end), consumers, opened)
    _print_summary(timeline, lang)
    if detector == "auto":
        typer.echo(f"\nFaces were looked for by {finder.name}.")
    if stopped:
        say_failure(stopped)
    if stopped or failures:
        raise typer.Exit(1)


def _check_places(source: str, table: Path | None, save: Path | None) -> None:
    """Refuse, before any work, what could not be written at its end or would destroy the recording."""
    from mien.recognition.film import check_film_path
    from mien.recognition.table import check_table_path

    if table:
        check_table_path(table)
    if save:
        check_film_path(save)
    for option, path in (("--table", table), ("--save", save)):
        # os.path, as it calls a name that is too long no file, where Path raises OSError.
        if path and path.exists() and os.path.exists(source) and path.samefile(source):  # noqa: PTH110
            raise ConfigError(f"{option} {path} is the recording itself. Name another file.")


def _go(
    frames: Generator[WatchedFrame], consumers: Iterable[Consumer], opened: VideoSource
) -> str | None:
    """Hand every frame to everyone; return why it stopped early, None if it did not."""
    time_s = 0.0
    try:
        for frame in frames:
            for consume in consumers:
                consume(frame)
            time_s = frame.time_s
    except VideoError as error:
        return str(error)
    except _Ended:
        pass
    except KeyboardInterrupt:
        if not opened.is_live:
            return f"Interrupted at {time_s:.2f} s; the rows up to there are kept."
    finally:
        frames.close()
    return None


def _into(timeline: Timeline) -> Consumer:
    def consume(frame: WatchedFrame) -> None:
        for row in frame.rows:
            timeline.add(row)

    return consume


@contextlib.contextmanager
def _tabled(path: Path, labels: tuple[str, ...]) -> Iterator[Consumer]:
    from mien.recognition.table import open_table

    with open_table(path, labels) as write:

        def consume(frame: WatchedFrame) -> None:
            for row in frame.rows:
                write(row)

        yield consume


@contextlib.contextmanager
def _filmed(path: Path, is_alone: bool, failures: list[str]) -> Iterator[Consumer]:
    """Write the recording. If that fails it is said, in ``failures`` too, and what else is made of the frames goes on.

    Raises:
        ConfigError: If it fails at its first frame and ``is_alone``: then there is nothing to go on for.
    """
    from mien.recognition.film import open_film

    def fail(error: MienError) -> None:
        failures.append(str(error))
        say_failure(error)

    from_outside: BaseException | None = None
    try:
        with open_film(path) as write:

            def consume(frame: WatchedFrame) -> None:
                if failures:
                    return
                try:
                    write(frame.image, frame.time_s)
                except MienError as error:
                    if is_alone:
                        raise ConfigError(str(error)) from None
                    fail(error)

            try:
                yield consume
            except BaseException as error:
                from_outside = error
                raise
    except MienError as error:
        # What ended the work is to be told, not what it did to the film.
        if from_outside is not None:
            raise from_outside from None
        fail(error)


def _drawn(lang: str, consumers: list[Consumer]) -> Consumer:
    """Frame the faces, once for all who show them."""
    from dataclasses import replace

    from mien.recognition.draw import annotate

    def consume(frame: WatchedFrame) -> None:
        framed = replace(frame, image=annotate(frame.image, frame.faces(), lang))
        for show in consumers:
            show(framed)

    return consume


def _open_window() -> Consumer:
    """Make sure of a window before any work.

    Raises:
        ConfigError: If this OpenCV or this machine has none.
    """
    import cv2

    title = "mien"
    try:
        cv2.namedWindow(title)
    except cv2.error:
        raise ConfigError(
            "--display needs a screen and an OpenCV with windows; here is the headless one. "
            "Use --save, or: pip uninstall opencv-python-headless && pip install 'opencv-python<5'"
        ) from None

    def consume(frame: WatchedFrame) -> None:
        cv2.imshow(title, cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            raise _Ended

    return consume


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from writing on stderr, once a frame on a full disk, of what comes as an error anyway."""
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _with_progress(
    frames: Generator[WatchedFrame], opened: VideoSource, start: float | None, end: float | None
) -> Generator[WatchedFrame]:
    """Show a bar on stderr, in seconds of the recording, if a person looks on."""
    if not sys.stderr.isatty():
        yield from frames
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    length_s = None if opened.num_frames is None else opened.num_frames / opened.fps
    if end is not None:
        length_s = end if length_s is None else min(end, length_s)
    begin_s = start or 0.0
    total = None if length_s is None else max(length_s - begin_s, 0.0)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(opened.name), total=total)
        for frame in frames:
            bar.update(task, completed=frame.time_s - begin_s)
            yield frame


def _print_summary(timeline: Timeline, lang: str) -> None:
    """Print how long each track showed what."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mien.labels import display_name

    plural = "" if timeline.num_frames == 1 else "s"
    print(f"{timeline.num_frames} frame{plural}, {timeline.num_empty} without a face")
    seconds = timeline.seconds()
    if not seconds:
        return
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("track", "seconds", "expressions (seconds)"):
        shown.add_column(column, no_wrap=True, justify="right" if column == "seconds" else "left")
    for track, totals in seconds.items():
        parts = [f"{display_name(label, lang)} {total:.1f}" for label, total in totals.items()]
        shown.add_row(str(track), f"{sum(totals.values()):.1f}", Text(", ".join(parts)))
    console = Console(width=10_000, highlight=False)
    with console.capture() as captured:
        console.print(shown)
    for line in captured.get().splitlines():
        print(line.rstrip())
