"""`mien predict`: the expressions in pictures."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from mien.cli.copies import Copies, is_copy
from mien.cli.ending import removing_what_is_half_written
from mien.cli.failures import one_line, say_failure
from mien.cli.options import (
    DetectorFileOption,
    DetectorOption,
    LabelsOption,
    Language,
    ModelOption,
    Prior,
    PriorOption,
)
from mien.errors import ConfigError, ImageError
from mien.replacing import check_target, replacing

if TYPE_CHECKING:
    from mien.recognition.results import PictureResult

__all__ = ["predict"]


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def predict(  # noqa: PLR0913 - one argument an option
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders (searched with all folders below them), patterns such as 'a/*.jpg'."
        ),
    ],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="How to write the results; without it, the ending of --output says, else table.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the results to this file instead of the screen."
        ),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option("--annotate", help="Write a copy of each picture with its faces framed here."),
    ] = None,
    labels: LabelsOption = None,
    lang: Annotated[
        Language,
        typer.Option("--lang", help="Language of the expressions, in the table and on the copies."),
    ] = Language.EN,
    model: ModelOption = "mien-s",
    prior: PriorOption = Prior.TRAINING,
    detector: DetectorOption = "auto",
    detector_file: DetectorFileOption = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence",
            min=0,
            max=1,
            help="Less confident answers are shown as unsure; without it, the model file says. 0: none is.",
        ),
    ] = None,
    search_px: Annotated[
        int | None,
        typer.Option(
            "--search-px",
            min=64,
            help="Look for faces in pictures of this longer side: larger finds smaller faces, slower. Without it, 1920 with "
            "yunet, 640 with haar.",
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=0, help="Threads that read and search pictures; 0: one a processor."
        ),
    ] = 0,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Faces that are classified at once.")
    ] = 32,
) -> None:
    """Find the faces in pictures and name their expressions.

    Exit code 0: all done; 1: pictures, copies or folders below a folder failed, be it all of them, each named, the rest
    done; 2: nothing could be begun, or the results not written to their end.
    """
    failures: list[str] = []
    pictures = _without_copies(_collect(paths, failures))
    _check_places(pictures, output, annotate)
    chosen = format_ or _format_of(output)

    # After the checks, so that a mistyped path is answered at once; `--help` never loads OpenCV.

    from mien.faces import open_detector
    from mien.images import quiet_decoders
    from mien.recognition import Recognizer

    quiet_decoders()
    finder = open_detector(detector, detector_file)
    recognizer = Recognizer(model, labels, finder, min_confidence=min_confidence, prior=prior)
    copies = Copies(annotate, pictures, lang) if annotate else None
    found = recognizer.predict_many(pictures, batch_size, jobs, search_px)
    results = _reported(_with_progress(found, len(pictures)), copies, failures)
    with removing_what_is_half_written(), _destination(output, chosen) as stream:
        _write(results, stream, chosen, recognizer.labels, lang)
        if chosen is Format.TABLE and detector == "auto":
            stream.write(f"\nFaces were looked for by {finder.name}.\n")
    if failures:
        raise typer.Exit(1)


def _collect(paths: Sequence[str], failures: list[str]) -> list[str]:
    """Return the pictures, each once: as given, of folders in the order of their names.

    How many pictures in folders are of kinds that are not read is said on stderr, and which folders below them cannot be
    read; these are in ``failures`` too.
    """
    pictures: dict[str, None] = {}
    passed: list[str] = []
    for path in paths:
        num_passed = len(passed)
        if not path:  # to Path, this folder
            raise ConfigError("One of the paths is empty. Give a picture, a folder or a pattern.")
        # Those of os.path, as they call a name that is too long no folder, where those of Path raise OSError.
        if os.path.isdir(path):  # noqa: PTH112
            found = list(_search(path, passed, failures))
            if not found and len(passed) == num_passed:
                raise ConfigError(
                    f"The folder {path} holds no pictures. Give a picture or another folder."
                )
        elif glob.has_magic(path) and "://" not in path and not os.path.exists(path):  # noqa: PTH110
            found = sorted(name for name in _matches(path) if not os.path.isdir(name))  # noqa: PTH112
            if not found:
                raise ConfigError(
                    f"No file matches '{path}'. Check the pattern, or name the pictures."
                )
        else:
            found = [path]
        pictures.update(dict.fromkeys(found))
    if passed:
        _say_passed(passed, is_all=not pictures)
    return list(pictures)


def _say_passed(passed: Sequence[str], *, is_all: bool) -> None:
    """Say what was passed over in folders; an error if there was nothing else.

    Args:
        passed: The endings, one a picture.
        is_all: Whether there are no other pictures.

    Raises:
        ConfigError: If so.
    """
    kinds = ", ".join(sorted(set(passed)))
    plural = "" if len(passed) == 1 else "s"
    words = f"{len(passed)} picture{plural} of kinds that are not read ({kinds}). Save them as JPEG or PNG."
    if is_all:
        raise ConfigError(f"Found only {words}")
    typer.echo(f"mien: Passed over {words}", err=True)


def _without_copies(pictures: Sequence[str]) -> Sequence[str]:
    """Leave out annotated copies that were written earlier, and say how many on stderr; if there is nothing else, they are meant."""
    kept = [picture for picture in pictures if not is_copy(picture)]
    num_copies = len(pictures) - len(kept)
    if not kept or not num_copies:
        return pictures
    words = f"{num_copies} annotated cop{'y' if num_copies == 1 else 'ies'} of mien's own"
    typer.echo(f"mien: Passed over {words}.", err=True)
    return kept


def _matches(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern


def _search(folder: str, passed: list[str], failures: list[str]) -> Iterator[str]:
    """Find pictures below a folder; hidden files are passed by.

    The ending of each picture that is of a kind that is not read is added to ``passed``, each folder below this one that
    cannot be read to ``failures``.

    Raises:
        ConfigError: If the folder itself cannot be read.
    """
    from mien.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES

    def refuse(error: OSError) -> None:
        words = f"The folder {error.filename} cannot be read: {error.strerror}."
        if error.filename == folder:
            raise ConfigError(words)
        failures.append(str(error.filename))
        say_failure(words)

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in IMAGE_SUFFIXES:
                yield str(Path(parent, name))
            elif suffix in UNREAD_SUFFIXES:
                passed.append(suffix)


def _check_places(pictures: Sequence[str], output: Path | None, annotate: Path | None) -> None:
    """Refuse, before any work, what could not be written at its end or would destroy a picture."""
    if output is not None:
        check_target(output, "--output")
        if os.path.realpath(output) in {os.path.realpath(picture) for picture in pictures}:
            raise ConfigError(f"--output {output} is one of the pictures. Name another file.")
    if annotate is not None and annotate.exists() and not annotate.is_dir():
        raise ConfigError(f"--annotate {annotate} is a file. Name a folder.")


def _format_of(output: Path | None) -> Format:
    ending = output.suffix.lower().lstrip(".") if output else ""
    return Format(ending) if ending in list(Format) else Format.TABLE


def _reported(
    results: Iterable[PictureResult], copies: Copies | None, failures: list[str]
) -> Iterator[PictureResult]:
    """Pass the results on; name what could not be read or copied on stderr, and its picture in ``failures``."""
    for result in results:
        error: str | None = result.error
        if error is None and copies:
            try:
                copies.write(result.path, result.faces)
            except ImageError as refused:  # the picture's own result stands, and the others go on
                error = str(refused)
        if error is not None:
            failures.append(result.path)
            say_failure(error)
        yield result


def _with_progress(results: Iterable[PictureResult], total: int) -> Iterable[PictureResult]:
    """Show a bar on stderr while several pictures go by, if a person looks on."""
    if total < 2 or not sys.stderr.isatty():
        return results
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(results, description="Pictures", total=total, console=console, transient=True)


def _write(
    results: Iterable[PictureResult],
    stream: TextIO,
    chosen: Format,
    labels: Sequence[str],
    lang: str,
) -> None:
    from mien.recognition.results import write_csv, write_json, write_jsonl

    if chosen is Format.JSON:
        write_json(results, stream)
    elif chosen is Format.JSONL:
        write_jsonl(results, stream)
    elif chosen is Format.CSV:
        write_csv(results, stream, labels)
    else:
        _write_table(results, stream, lang)


def _write_table(results: Iterable[PictureResult], stream: TextIO, lang: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mien.labels import display_name

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("picture", "face", "expression", "confidence", "box (x y w h)"):
        table.add_column(
            column, no_wrap=True, justify="right" if column in ("face", "confidence") else "left"
        )
    for result in results:
        name = Text(one_line(result.path))
        if result.error is not None:
            table.add_row(name, "", "not read")
        elif not result.faces:
            table.add_row(name, "", "no face")
        for number, face in enumerate(result.faces, start=1):
            place = " ".join(map(str, face.box.as_list())) if face.box else ""
            shown = Text(display_name(face.answer, lang))
            table.add_row(name, str(number), shown, f"{face.confidence:.0%}", place)
    # Wide enough for any path: a table that is read by a program must not be cut at 80 columns.
    console = Console(file=stream, width=10_000, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        stream.write(line.rstrip() + "\n")


@contextlib.contextmanager
def _destination(output: Path | None, chosen: Format) -> Iterator[TextIO]:
    """Open where the results go; a file appears whole or not at all.

    Raises:
        ConfigError: If it cannot be written.
    """
    if output is None:
        yield _standard_output(chosen)
        return
    try:
        with replacing(output) as partial, _open(partial) as stream:
            yield stream
    except BrokenPipeError:  # of the standard error: the reader of our messages is gone
        raise
    except OSError as error:
        raise ConfigError(
            f"--output {output} cannot be written: {error.strerror or error}."
        ) from None


def _open(path: Path) -> TextIO:
    # A file name that is not UTF-8 becomes \udcXX: valid JSON that a program can turn back.
    return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")


def _standard_output(chosen: Format) -> TextIO:
    """Return where results go on the screen; if it takes no more, `main` says so."""
    stream = sys.stdout
    if chosen is not Format.TABLE and hasattr(stream, "reconfigure"):
        # Files are UTF-8 whatever the terminal speaks.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    return stream
