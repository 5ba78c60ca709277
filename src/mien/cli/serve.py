"""`mien serve`: recognising over HTTP."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.errors import MissingExtraError

if TYPE_CHECKING:
    from mien.service.settings import Settings

__all__ = ["serve"]


class CloudFallback(StrEnum):
    """Whom to ask where mien is unsure."""

    NONE = "none"
    REKOGNITION = "rekognition"


def serve(  # noqa: PLR0913 - one argument an option
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            help="Address to listen on; another than this machine's own needs --keys. [127.0.0.1]",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port to listen on; 0: a free one. [8000]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that answer. [1]")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="File of the API keys; see mien keys.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Name of a model or path of a model file. Default: mien-s."),
    ] = None,
    detector: Annotated[
        str | None, typer.Option("--detector", help="auto, haar, yunet or none. Default: auto.")
    ] = None,
    detector_file: Annotated[
        Path | None, typer.Option("--detector-file", help="YuNet's file, if it lies elsewhere.")
    ] = None,
    fallback: Annotated[
        CloudFallback | None,
        typer.Option(
            "--fallback",
            help="Whom to ask where mien finds no face or is unsure: rekognition sends those pictures to AWS. Default: nobody.",
        ),
    ] = None,
) -> None:
    """Answer over HTTP: POST a picture to /v1/predict, read /openapi.json for the rest.

    Every option is a variable too (MIEN_SERVICE_PORT …), and there are more of them: docs/deploying.md. SIGTERM or Ctrl-C
    ends it once accepted requests are answered.
    """
    options = {
        "host": host,
        "port": port,
        "workers": workers,
        "keys": keys,
        "model": model,
        "detector": detector,
        "detector_file": detector_file,
        "fallback": fallback.value if fallback else None,
    }
    settings = _settings({name: str(value) for name, value in options.items() if value is not None})
    # After the settings: a mistake in them is told at once.
    from mien.service.door import bind
    from mien.service.supervisor import check, supervise

    # Before anyone is told that it answers, and before workers would end again and again for the same reason.
    recognizer = None
    if settings.workers > 1:
        check()
    else:
        # A supervisor does without all that this brings.
        from mien.service.app import check_fallback, open_recognizer

        recognizer = open_recognizer(settings)
        check_fallback(settings, recognizer.labels)
    listener = bind(settings.host, settings.port)
    name, port = listener.getsockname()[:2]
    place = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    typer.echo(
        f"mien answers at {place}, for example: curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' {place}/v1/predict",
        err=True,
    )
    if settings.fallback != "none":
        typer.echo(
            "Pictures in which mien finds no face or is unsure leave this machine: they are sent to AWS Rekognition.",
            err=True,
        )
    if settings.workers > 1:
        raise typer.Exit(supervise(settings, listener))
    from mien.service.server import run_server

    run_server(settings, listener, recognizer)


def _settings(options: dict[str, str]) -> Settings:
    """Put the options into the environment, where workers read them too, and check everything."""
    try:
        from mien.service.settings import PREFIX, load_settings
    except ImportError as error:
        if error.name is None or error.name.startswith(("mien", "fcntl")):
            raise
        raise MissingExtraError("service", "Serving") from None
    os.environ.update({PREFIX + name.upper(): value for name, value in options.items()})
    return load_settings()
