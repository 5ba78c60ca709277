"""`mien classroom`: the monitor for an online lesson: serve it, try it out, report on it, delete what is too old."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import Language
from mien.errors import ConfigError, MissingExtraError
from mien.replacing import check_target, write_whole

if TYPE_CHECKING:
    from mien.classroom.records import LessonRecord
    from mien.classroom.settings import Settings
    from mien.classroom.simulate import PictureOf
    from mien.classroom.simulator import Scenario
    from mien.classroom.store import Store

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The live class: a monitor for an online lesson that shows signals, never a diagnosis.",
)

Jurisdiction = Annotated[
    str | None,
    typer.Option("--jurisdiction", help="Where teacher and students are: KR, or KR,DE. Required."),
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="education, workplace, research or personal. Required."),
]
Mode = Annotated[
    str | None,
    typer.Option("--mode", help="presence, self-view, class or research. Required."),
]


class Format(StrEnum):
    """How a report is written."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


def _settings(**overrides: object) -> Settings:
    _need_extra()
    from mien.classroom.settings import load_settings

    return load_settings(**overrides)


def _need_extra() -> None:
    try:
        import alembic  # noqa: F401
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import pydantic_settings  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError:
        raise MissingExtraError("classroom", "The live class") from None


@app.command("serve")
def serve(
    jurisdiction: Jurisdiction = None,
    context: Context = None,
    mode: Mode = None,
    host: Annotated[
        str | None,
        typer.Option("--host", help="Address to listen on; 127.0.0.1: this machine only."),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; 8432.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Folder of the store, if it is a file.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Model for expressions; mien-s.")
    ] = None,
) -> None:
    """Serve the pages for teacher and students until Ctrl-C.

    All else is set by variables MIEN_CLASSROOM_…, see docs/classroom.md; secrets are never options.
    """
    settings = _settings(
        jurisdiction=jurisdiction,
        context=context,
        mode=mode,
        host=host,
        port=port,
        data_dir=data_dir,
        model=model,
    )
    from mien.classroom.app import create_app
    from mien.classroom.server import bind, forbid_crash_dumps, make_server

    settings, key = _with_key(settings)
    forbid_crash_dumps()
    app = create_app(settings)
    try:
        server = make_server(app, settings)
        sockets = bind(settings)
    except ConfigError:
        app.state.school.store.close()
        raise
    print(f"Policy: {app.state.school.decision.line()}")
    if settings.device_signals:
        print(
            "Students may send numbers instead of pictures: for simulated ones, never for a real lesson."
        )
    scheme = "https" if settings.tls_certificate else "http"
    name = settings.host.strip("[]")
    address = f"{scheme}://{f'[{name}]' if ':' in name else name}:{settings.port}"
    print(f"Students: {address}/   Teachers: {address}/teach", flush=True)
    if key:
        print(f"Key of the teacher, for this start only: {key}", flush=True)
    try:
        server.run(sockets)
    except KeyboardInterrupt:
        pass
    except OSError as error:  # somebody has begun to listen there
        if server.started:
            raise
        raise ConfigError(
            f"The server could not start on {settings.host}:{settings.port}: {error.strerror}."
        ) from None


def _with_key(settings: Settings) -> tuple[Settings, str | None]:
    """Make a key where nobody else can reach the server; elsewhere settings have refused already."""
    import secrets

    if settings.keys():
        return settings, None
    key = secrets.token_urlsafe(18)
    return _settings(**{**_given(settings), "teacher_keys": f"teacher:{key}"}), key


def _given(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.model_fields_set}


class Faces(StrEnum):
    """What simulated students send."""

    NONE = "none"
    DRAWN = "drawn"


@app.command("simulate")
def simulate(  # noqa: PLR0913 - one argument an option
    students: Annotated[
        int | None, typer.Option("--students", min=1, max=1000, help="How many students; 12.")
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", help="Script of the lesson (TOML); else drawn by lot."),
    ] = None,
    url: Annotated[
        str, typer.Option("--url", help="Address of the running server.")
    ] = "http://127.0.0.1:8432",
    code: Annotated[
        str | None, typer.Option("--code", help="Join this lesson; its teacher lets students in.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option("--duration", min=1, help="Seconds; else as the script says.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, max=10, help="Frames a second of a student.")
    ] = None,
    faces: Annotated[
        Faces,
        typer.Option("--faces", help="drawn: pictures; none: probabilities, as a device would."),
    ] = Faces.NONE,
    recording: Annotated[
        Path | None, typer.Option("--recording", help="Send the frames of this video instead.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of a lesson that is drawn by lot.")
    ] = 0,
) -> None:
    """Let scripted students take part in a running server, and tell what came of it.

    With --faces none the server must have been started with MIEN_CLASSROOM_DEVICE_SIGNALS=true.

    Without --code it opens a lesson of its own: the variable MIEN_CLASSROOM_KEY holds a teacher's key.
    """
    _need_extra()
    import asyncio
    import os

    from mien.classroom.simulate import simulate as run

    script = _script(scenario, students, duration, fps, seed)
    key = os.environ.get("MIEN_CLASSROOM_KEY")
    if code is None and not key:
        raise ConfigError(
            "Nobody opens the lesson. Give --code of one that is open, or a teacher's key in MIEN_CLASSROOM_KEY."
        )
    picture = _pictures(faces, recording, script)
    outcome = asyncio.run(
        run(url.rstrip("/"), script, key=key, code=code, picture=picture, tell=_tell)
    )
    for name, count in sorted(outcome.counts.items()):
        print(f"{name}: {count}")
    print(
        f"answer after {outcome.percentile_ms(0.5):.1f} ms (median), {outcome.percentile_ms(0.95):.1f} ms (95 %); "
        f"{outcome.reconnects} reconnects"
    )


def _tell(message: dict[str, object]) -> None:
    if message["type"] in ("aggregate", "answers", "moment"):
        print(message)


def _script(
    file: Path | None, students: int | None, duration: float | None, fps: float | None, seed: int
) -> Scenario:
    from dataclasses import replace

    from mien.classroom.simulator import load_scenario, random_lesson

    if file is not None:
        script = load_scenario(file, students)
    else:
        script = random_lesson(seed, num_students=students or 12)
    return replace(script, duration_s=duration or script.duration_s, fps=fps or script.fps)


def _pictures(faces: Faces, recording: Path | None, script: Scenario) -> PictureOf | None:
    from mien.classroom.simulator import FramePainter, recorded_frames

    if recording is not None:
        frames = recorded_frames(recording, script.fps)
        return lambda *_: next(frames)
    if faces is Faces.NONE:
        return None
    from mien.data.synthetic import draw_scene

    return FramePainter(draw_scene, script.seed).frame


@app.command("report")
def report(
    lesson: Annotated[str, typer.Argument(help="Id of the lesson; 'last' for the newest.")],
    format_: Annotated[Format, typer.Option("--format", help="html, csv or json.")] = Format.HTML,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else the screen.")
    ] = None,
    lang: Annotated[
        Language, typer.Option("--lang", help="Language of the page and the caveats.")
    ] = Language.EN,
) -> None:
    """Write the report of a lesson: what the class was told, never a single student. It is written down that you did."""
    if output is not None:  # before it is written down that there was a report
        check_target(output, "--output")
    settings = _settings()
    from mien.classroom import reports
    from mien.classroom.app import open_store

    store = open_store(settings)
    try:
        record = _find(store, lesson)
        store.note("operator", record.id, f"report {format_}")
        text, _ = reports.render(reports.collect(store, record), format_, lang)
    finally:
        store.close()
    if output is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    write_whole(output, reports.as_file(text, format_))


def _find(store: Store, lesson: str) -> LessonRecord:
    records = store.lessons()
    for record in records:
        if lesson in (record.id, "last"):
            return record
    known = ", ".join(f"{r.id} ({r.title})" for r in records[:5]) or "none yet"
    raise ConfigError(f"The store has no lesson '{lesson}'. The newest are: {known}.")


@app.command("purge")
def purge() -> None:
    """Delete what has reached its age; a running server does the same every ten minutes."""
    settings = _settings()
    from mien.classroom.app import open_store

    store = open_store(settings)
    try:
        counts = store.purge(settings.window_hours, settings.aggregate_days, settings.audit_days)
        store.remains.sweep(is_idle=False)  # a server may run lessons beside
    finally:
        store.close()
    for name, count in counts.items():
        print(f"{name}: {count} deleted")
