"""A recording, watched while the page looks on: timeline as it grows; at the end a table, a film, a picture to download."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from mien.demo.cards import message, percent
from mien.demo.charts import progress_bar, timeline_chart
from mien.demo.texts import say
from mien.errors import VideoError
from mien.recognition import Recognizer, annotate
from mien.recognition.film import open_film
from mien.recognition.source import open_source
from mien.recognition.table import open_table
from mien.recognition.timeline import Timeline
from mien.recognition.timeline_picture import write_timeline_png
from mien.recognition.video import watch_frames

__all__ = ["StopButton", "Watched", "watch_recording", "watched_html"]

_REPORT_S = 0.5
"""The page hears of progress so often."""


@dataclass
class StopButton:
    """Whether somebody has had enough of a recording; one for each open page."""

    is_pressed: bool = False

    def press(self) -> None:
        """Have the recording end at its next frame."""
        self.is_pressed = True

    def release(self) -> None:
        """Begin anew."""
        self.is_pressed = False


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How far a recording has been watched, and what is there already."""

    timeline: Timeline
    """It goes on growing until the end."""
    share: float
    """How much of it, 0 to 1."""
    is_done: bool = False
    broke_off_s: float | None = None
    """Where it ended although it should not have; None if it did not."""
    stopped_s: float | None = None
    """Where somebody stopped it; None if nobody did."""
    files: tuple[Path, ...] = ()
    """Table, film and picture, once they are whole; without a single frame there is no film."""


def watch_recording(
    recognizer: Recognizer,
    path: str | Path,
    folder: Path,
    lang: str,
    fps: float | None = None,
    stop: StopButton | None = None,
) -> Generator[Watched]:
    """Watch a recording and write table, film and picture; report again and again on the way.

    Args:
        recognizer: Detects and classifies.
        path: A file that somebody uploaded: anything.
        folder: Where the files go.
        lang: Of what is drawn: ``"en"`` or ``"ko"``.
        fps: Look at no more than so many frames a second; None looks at all.
        stop: Ends it early, with whole files of what was watched; None is never pressed.

    Raises:
        VideoError: If it is no recording; one that breaks off is no error here.
        ConfigError: If table or film cannot be written.
        ImageError: If the picture cannot be written.
    """
    source = open_source(Path(path))
    length_s = None if source.num_frames is None else source.num_frames / source.fps
    stem = Path(path).stem or "recording"
    table, film = folder / f"{stem}.csv", folder / f"{stem}-annotated.mp4"
    timeline = Timeline()
    broke_off_s = stopped_s = None
    stop = stop or StopButton()
    with (
        open_table(table, recognizer.labels) as write_row,
        open_film(film) as draw,
    ):
        frames = watch_frames(recognizer, source, fps=fps)
        last = time.monotonic()
        try:
            for frame in frames:
                for row in frame.rows:
                    timeline.add(row)
                    write_row(row)
                draw(annotate(frame.image, frame.faces(), lang), frame.time_s)
                if stop.is_pressed:
                    stopped_s = frame.time_s
                    break
                if time.monotonic() - last >= _REPORT_S:
                    share = min(1.0, frame.time_s / length_s) if length_s else 0.0
                    yield Watched(timeline=timeline, share=share)
                    last = time.monotonic()
        except VideoError:
            broke_off_s = source.time_s
        finally:
            frames.close()
    picture = folder / f"{stem}-timeline.png"
    write_timeline_png(timeline, picture, stem, lang)
    yield Watched(
        timeline=timeline,
        share=1.0,
        is_done=True,
        broke_off_s=broke_off_s,
        stopped_s=stopped_s,
        files=(table, film, picture),
    )


def watched_html(watched: Watched, lang: str) -> str:
    """Return how far it is, what went wrong, and the timeline."""
    timeline = watched.timeline
    if watched.is_done:
        counts = {"frames": timeline.num_frames, "empty": timeline.num_empty}
        head = message(say("video.done", lang, **counts), "summary")
    else:
        time_s = f"{timeline.end_s:.1f}"
        head = progress_bar(
            watched.share, say("video.going", lang, time=time_s, percent=percent(watched.share))
        )
    if watched.broke_off_s is not None:
        head += message(say("video.broke_off", lang, time=f"{watched.broke_off_s:.2f}"), "refused")
    if watched.stopped_s is not None:
        head += message(say("video.stopped", lang, time=f"{watched.stopped_s:.2f}"))
    return head + timeline_chart(timeline, lang)
