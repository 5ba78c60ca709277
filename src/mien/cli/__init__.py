"""The command line: one file a command. Commands parse, call the library and print; only they print."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from mien import __version__
from mien.cli.commands import Commands
from mien.errors import MienError

__all__ = ["app", "main"]

app = typer.Typer(
    name="mien",
    cls=Commands,
    help="Facial expressions, recognised: train on FER2013 and FER+, measure honestly, read faces offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


_LOCKS_OF_POSIX = "fcntl"
"""What the service, its keys, the live class and studies cannot do without; recognising and training can."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more of what is done.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s")


def main() -> None:
    """Run the command line; errors that a user can mend become one line and exit code 2."""
    _escape_what_cannot_be_shown()
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # while its failure can still be told
    except MienError as error:
        from mien.cli.failures import say_failure

        say_failure(error)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if not _says_no_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else "there is none left"
        typer.echo(
            f"mien: Memory ran out: {reason.rstrip('.')}. Close other programs, or ask for less at once: a smaller network "
            "or train.batch_size in training, a smaller --batch-size elsewhere.",
            err=True,
        )
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name != _LOCKS_OF_POSIX:
            raise
        typer.echo(
            "mien: This command locks files in a way that Windows does not know. Use Linux, macOS or WSL.",
            err=True,
        )
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        from mien.cli.failures import say_system_error

        if not say_system_error(error):
            raise
        sys.exit(2)


def _escape_what_cannot_be_shown() -> None:
    """Hangul on a terminal that has none, or a file name that is no text, must not end a command after all its work."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _says_no_memory(error: Exception) -> bool:
    if "torch" not in sys.modules:  # asking torch would load it
        return isinstance(error, MemoryError)
    from mien.runtime import is_out_of_memory

    return is_out_of_memory(error)
