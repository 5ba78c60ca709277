"""Showing the page on this computer, to nobody else: no address but loopback, no other pages, no reports."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mien.demo.leftovers import own_temporary_folder
from mien.demo.texts import say
from mien.errors import ConfigError, MissingExtraError
from mien.interrupts import interrupted_by_signals
from mien.labels import LANGUAGES

__all__ = ["HOST", "example_pictures", "serve"]

HOST = "127.0.0.1"
"""Nobody else can reach the page."""

_MAX_UPLOAD = "1gb"
_LOOK_EVERY_S = 0.1
_FONTS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "NanumGothic",
    "sans-serif",
)
_GRADIO_WORDS = {
    "audio.record": "live.record",
    "audio.stop": "live.stop",
    "audio.waiting": "live.waiting",
}
"""Gradio's key -> ours: in Korean its camera would speak of recording sound."""
_MONO_FONTS = ("ui-monospace", "Menlo", "Consolas", "D2Coding", "monospace")


def serve(
    models: Sequence[str | Path] = ("mien-s",),
    port: int = 7860,
    results: Path = Path("results"),
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Show the page until Ctrl-C, SIGTERM or the end of the terminal.

    Args:
        models: Names of models that ship with mien, or paths of model files.
        port: Where; 0 takes one that is free.
        results: Folder with result rows for the leaderboard; it may not be there.
        on_ready: Is told the page's address once it can be opened.

    Raises:
        MissingExtraError: If Gradio is not installed.
        ConfigError: If the port is taken.
        UnknownNameError: If there is no such model.
        ModelFileError: If a model file cannot be used.
    """
    _free_port(port)  # one that is taken is said before any work
    with suppress(KeyboardInterrupt), interrupted_by_signals(), own_temporary_folder():
        blocks = _open_page(models, results)
        try:
            # Chosen only now: opening the page takes seconds, in which a port that was free may be taken.
            _, address, _ = blocks.launch(**_launch_options(), server_port=_free_port(port))
            on_ready(address)
            while blocks.is_running:  # Gradio's own waiting writes to a terminal that may be gone
                time.sleep(_LOOK_EVERY_S)
        finally:
            blocks.close(verbose=False)


def example_pictures() -> list[Path]:
    """Return pictures to try: the drawings that come with mien, and the portrait that scikit-image carries, where it is installed."""
    pictures = sorted((Path(__file__).parent / "examples").glob("*.jpg"))
    # find_spec tells where it lies without importing it or its data downloader.
    found = find_spec("skimage")
    if found is not None and found.origin is not None:
        portrait = Path(found.origin).parent / "data" / "astronaut.png"
        pictures += [portrait] if portrait.is_file() else []
    return pictures


def _open_page(models: Sequence[str | Path], results: Path) -> Any:
    if find_spec("gradio") is None:
        raise MissingExtraError("demo", "The page to try mien")
    from mien.demo.page import build_page
    from mien.demo.readers import Readers
    from mien.faces import open_detector

    return build_page(Readers(models, open_detector("auto")), results, example_pictures())


def _launch_options() -> dict[str, Any]:
    """What Gradio is told, all of it outright: variables of the environment are not to open the page to others."""
    import gradio as gr
    from starlette.middleware import Middleware

    from mien.demo.perimeter import Perimeter

    theme = gr.themes.Default(
        primary_hue="blue", neutral_hue="slate", font=_FONTS, font_mono=_MONO_FONTS
    )
    return {
        "theme": theme,
        "css": _camera_words() + _unshown_words(),
        "css_paths": Path(__file__).with_name("page.css"),
        "i18n": gr.I18n(**{lang: _gradio_words(lang) for lang in LANGUAGES}),
        "server_name": HOST,
        "share": False,
        "quiet": True,
        "prevent_thread_lock": True,
        "max_file_size": _MAX_UPLOAD,
        "footer_links": [],
        "run_history": False,  # it would keep pictures in the browser
        "enable_monitoring": False,
        "mcp_server": False,
        "ssr_mode": False,
        "pwa": False,
        "allowed_paths": [str(path) for path in example_pictures()],
        "root_path": "",
        "app_kwargs": {"middleware": [Middleware(Perimeter)]},
    }


def _gradio_words(lang: str) -> dict[str, str]:
    return {gradio_key: say(key, lang) for gradio_key, key in _GRADIO_WORDS.items()}


def _camera_words() -> str:
    """Say "Click to Access Webcam", which Gradio has in English only, in the page's language."""
    place = '[title="grant webcam access"] .wrap'
    words = [
        f'html[lang="{lang}"] {place}::after {{ content: "{say("live.allow", lang)}"; font-size: 1rem; }}'
        for lang in LANGUAGES
    ]
    return "\n".join([f"{place} {{ font-size: 0; }}", *words])


def _unshown_words() -> str:
    """Say over a recording that the browser cannot play that mien can read it all the same."""
    words = [
        f'html[lang="{lang}"] [data-unshown]:has(video)::after {{ content: "{say("video.unshown", lang)}"; }}'
        for lang in LANGUAGES
    ]
    return "\n".join(["", *words])


def _free_port(port: int) -> int:
    """Return the port if it is free; for 0 one that is."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"Port {port} cannot be used: {error.strerror or error}. Name another one: mien demo --port 7861"
            ) from None
        return int(trial.getsockname()[1])
