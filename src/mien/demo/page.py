"""The page: its tabs, what stands where, and what happens when something is uploaded, pressed or filmed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mien.demo.board import board_markdown
from mien.demo.cards import message
from mien.demo.live import LiveView
from mien.demo.photo import Upload, look_at_picture, uploaded_file
from mien.demo.readers import Readers
from mien.demo.texts import language_of, say
from mien.demo.video import StopButton, Watched, watch_recording, watched_html
from mien.demo.wording import Wording
from mien.errors import ConfigError, ImageError, VideoError
from mien.types import Image

__all__ = ["KEEP_MINUTES", "build_page"]

KEEP_MINUTES = 30
"""Uploads and results are deleted when they are older."""

_CLEAN_EVERY_S = 60
_FRAME_EVERY_S = 0.12
_LIVE_VIEWERS = 4
"""A camera holds its place as long as it runs; others wait."""
_RATES = (None, 10, 5)
"""Frames a second that a recording is looked at; None is all."""
_CAMERA = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}}, "audio": False}
_UNOPENED: dict[str, Any] = {"preprocess": False, "api_visibility": "private"}
"""Gradio would open an upload itself, and answer what is no picture with an error of its own, in English."""
_SET_LANGUAGE = r"""(lang) => {
    document.documentElement.lang = lang;
    document.documentElement.dataset.mien = "ready";
    const files = performance.getEntriesByType("resource").map((entry) => entry.name);
    const core = files.find((name) => /\/assets\/core-[^\/]+\.js$/.test(name));
    if (core) import(core).then((module) => module.changeLocale?.(lang));
    return [];
}"""
"""Gradio's own words, such as those on its camera button, follow the browser's language; this is how its settings change
them. Should a later Gradio keep that function elsewhere, its own words stay as they are."""

_UNSHOWN = r"""() => {
    const mark = (event) => {
        if (!event.target.matches?.("#mien-video video")) return;
        if (event.type === "error") event.stopImmediatePropagation();
        event.target.closest(".block")?.toggleAttribute("data-unshown", event.type === "error");
    };
    for (const type of ["error", "loadeddata"]) document.addEventListener(type, mark, true);
    return [];
}"""
"""A browser plays fewer recordings than mien reads. In the place of Gradio's error, in English and for what is none, the page
says so where the recording would be seen: `server` has the words, as it has those of the camera."""


@dataclass(frozen=True, kw_only=True)
class _Page:
    """What every tab needs."""

    gr: Any
    """The package gradio, imported late: it takes seconds."""
    readers: Readers
    wording: Wording
    lang: Any
    """The switch."""
    examples: Sequence[Path]

    def texts(self, key: str) -> dict[str, Any]:
        """What an area says that holds a hint before anything was done."""
        return {"value": lambda lang: message(say(key, lang))}

    def reader(self, says: str = "reader", value: str | None = None) -> Any:
        """A choice among models and labels; the first of them is chosen unless another is named."""
        texts: dict[str, Any] = {"label": says, "choices": self.readers.choices}
        chosen = value or self.readers.keys()[0]
        return self.wording.make(self.gr.Dropdown, texts, value=chosen, interactive=True)

    def picture(self, says: str) -> Any:
        """Where a picture is uploaded."""
        return self.wording.make(
            self.gr.Image,
            {"label": says, "placeholder": "photo.drop"},
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam", "clipboard"],
            height=360,
        )

    def show_examples(self, picture: Any) -> None:
        """Pictures to click at."""
        if self.examples:
            shown = self.gr.Examples(
                [[str(path)] for path in self.examples],
                picture,
                cache_examples=False,
                api_visibility="private",
            )
            self.wording.add(shown.dataset, {"label": "photo.examples"})


def build_page(readers: Readers, results: Path, examples: Sequence[Path] = ()) -> Any:
    """Build the page; `server.serve` shows it.

    Args:
        readers: The models, loaded.
        results: Folder with result rows for the leaderboard; it may not be there.
        examples: Pictures to click at.

    Returns:
        A ``gradio.Blocks``.
    """
    import gradio as gr

    wording = Wording()
    keep_s = 60 * KEEP_MINUTES
    with gr.Blocks(
        title="mien", analytics_enabled=False, delete_cache=(_CLEAN_EVERY_S, keep_s)
    ) as blocks:
        with gr.Row(elem_classes="mien-head"):
            wording.make(gr.HTML, {"value": _head}, scale=4)
            languages = [("English", "en"), ("한국어", "ko")]
            lang = wording.make(
                gr.Radio,
                {"label": "language"},
                choices=languages,
                value="en",
                show_label=False,
                container=False,
                elem_id="mien-language",
            )
        page = _Page(gr=gr, readers=readers, wording=wording, lang=lang, examples=examples)
        with gr.Tabs():
            for name, fill in _TABS.items():
                with wording.make(
                    gr.Tab, {"label": f"{name}.tab"}, id=name, elem_id=f"mien-{name}"
                ):
                    fill(page)
            with wording.make(gr.Tab, {"label": "board.tab"}, id="board", elem_id="mien-board"):
                wording.make(
                    gr.Markdown,
                    {"value": partial(board_markdown, results)},
                    elem_classes="mien-board",
                )
        wording.make(gr.HTML, {"value": _foot})
        _connect_languages(gr, blocks, wording, lang)
    return blocks


def _head(lang: str) -> str:
    return f'<div class="mien-title"><h1>mien</h1><p>{say("tagline", lang)}</p></div>'


def _foot(lang: str) -> str:
    privacy = say("privacy", lang, minutes=KEEP_MINUTES)
    return f'<footer class="mien-foot"><p>{say("caution", lang)}</p><p>{privacy}</p></footer>'


def _connect_languages(gr: Any, blocks: Any, wording: Wording, lang: Any) -> None:
    def speak(chosen: str) -> list[Any]:
        return [gr.update(**update) for update in wording.updates(chosen)]

    def greet(request: gr.Request) -> list[Any]:
        chosen = language_of(request.headers.get("accept-language"))
        return [chosen, *speak(chosen)]

    # The annotation is text here, and Gradio looks for the class.
    greet.__annotations__["request"] = gr.Request
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    blocks.load(None, None, None, js=_UNSHOWN, api_visibility="private")
    greeted = blocks.load(greet, None, [lang, *wording.components], **quiet)
    greeted.then(None, lang, None, js=_SET_LANGUAGE, api_visibility="private")
    lang.input(speak, lang, wording.components, **quiet)
    lang.change(None, lang, None, js=_SET_LANGUAGE, api_visibility="private")


def _photo_tab(page: _Page) -> None:
    gr = page.gr
    with gr.Row():
        with gr.Column():
            reader = page.reader()
            picture = page.picture("photo.input")
            page.show_examples(picture)
        with gr.Column():
            shown = page.wording.make(
                gr.Image,
                {"label": "photo.output"},
                height=360,
                interactive=False,
                buttons=["download", "fullscreen"],
            )
            words = gr.HTML(message(say("photo.empty", "en")), elem_id="mien-photo-words")

    def look(upload: Upload, key: str, lang: str) -> tuple[Image | None, str]:
        if upload is None:
            return None, message(say("photo.empty", lang))
        looked = look_at_picture(page.readers[key], uploaded_file(upload), lang)
        return looked.picture, looked.words

    gr.on(
        [picture.change, reader.change, page.lang.change],
        look,
        [picture, reader, page.lang],
        [shown, words],
        show_progress="minimal",
        trigger_mode="always_last",
        **_UNOPENED,
    )


def _live_tab(page: _Page) -> None:
    gr = page.gr
    with gr.Row():
        with gr.Column():
            reader = page.reader()
            # Never type="filepath": frames are to stay in memory.
            camera = page.wording.make(
                gr.Image,
                {"label": "live.camera"},
                sources=["webcam"],
                streaming=True,
                type="numpy",
                webcam_options=gr.WebcamOptions(mirror=True, constraints=_CAMERA),
            )
        with gr.Column():
            words = page.wording.make(gr.HTML, page.texts("live.empty"), elem_id="mien-live-words")
    view = gr.State(LiveView())

    def look(frame: Image | None, key: str, lang: str, seen: LiveView) -> str:
        if frame is None:
            return message(say("live.empty", lang))
        rows = seen.look(page.readers[key], frame, time.monotonic())
        return seen.html(frame, rows, lang)

    camera.stream(
        look,
        [camera, reader, page.lang, view],
        words,
        stream_every=_FRAME_EVERY_S,
        concurrency_limit=_LIVE_VIEWERS,
        show_progress="hidden",
        api_visibility="private",
    )


def _video_tab(page: _Page) -> None:
    gr, make = page.gr, page.wording.make
    with gr.Row():
        with gr.Column():
            reader = page.reader()
            recording = make(gr.Video, {"label": "video.input"}, sources=["upload"], height=300)
            rate = make(gr.Radio, {"label": "video.rate", "choices": _rates}, value=10)
            with gr.Row():
                start = make(gr.Button, {"value": "video.start"}, variant="primary")
                stop = make(gr.Button, {"value": "video.stop"})
        with gr.Column():
            words = gr.HTML(message(say("video.empty", "en")), elem_id="mien-video-words")
            names = ("video.csv", "video.film", "video.chart")
            files = [make(gr.DownloadButton, {"label": name}, visible=False) for name in names]
    last, ended = gr.State(None), gr.State(StopButton())

    def watch(
        path: str | None, key: str, count: int, lang: str, ended: StopButton
    ) -> Iterator[list[Any]]:
        hidden = [gr.update(visible=False)] * len(files)
        if path is None:
            yield [message(say("video.missing", lang), "refused"), None, *hidden]
            return
        # Gradio takes copies of the files; these go when the last of them has been shown.
        with tempfile.TemporaryDirectory(prefix="mien-video-") as folder:
            try:
                for watched in watch_recording(
                    page.readers[key], path, Path(folder), lang, count or None, ended
                ):
                    shown = [_download(gr, file) for file in watched.files] or hidden
                    yield [watched_html(watched, lang), watched, *shown]
            except VideoError:
                yield [message(say("refused.recording", lang), "refused"), None, *hidden]
            except (ConfigError, ImageError):
                yield [message(say("video.unwritten", lang), "refused"), None, *hidden]

    def tell(watched: Watched | None, lang: str) -> str:
        return watched_html(watched, lang) if watched else message(say("video.empty", lang))

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    # Not cancelled by Gradio, which would give nothing of what was read. Whoever stops while others' recordings are
    # watched first must find it stopped later, so it is released when the button is pressed and not when its turn comes.
    released = start.click(StopButton.release, ended, queue=False, **quiet)
    released.then(
        watch,
        [recording, reader, rate, page.lang, ended],
        [words, last, *files],
        concurrency_limit=1,
        **quiet,
    )
    stop.click(StopButton.press, ended, queue=False, **quiet)
    page.lang.change(
        tell, [last, page.lang], words, show_progress="hidden", api_visibility="private"
    )


def _download(gr: Any, file: Path) -> Any:
    return gr.update(value=str(file), visible=True) if file.is_file() else gr.update(visible=False)


def _rates(lang: str) -> list[tuple[str, int]]:
    return [
        (say("video.some", lang, count=rate) if rate else say("video.all", lang), rate or 0)
        for rate in _RATES
    ]


def _compare_tab(page: _Page) -> None:
    gr = page.gr
    with gr.Row():
        with gr.Column():
            picture = page.picture("photo.input")
            page.show_examples(picture)
        with gr.Column():
            gr.HTML("")
    with gr.Row():
        sides = []
        for name, key in zip(("compare.left", "compare.right"), page.readers.pair(), strict=True):
            with gr.Column():
                reader = page.reader(name, key)
                shown = gr.Image(
                    show_label=False, height=320, interactive=False, buttons=["fullscreen"]
                )
                words = gr.HTML(elem_id=f"mien-{name.replace('.', '-')}")
                sides.append((reader, shown, words))

    def look(upload: Upload, left: str, right: str, lang: str) -> list[Any]:
        if upload is None:
            hint = message(say("compare.empty", lang))
            return [None, hint, None, ""]
        path = uploaded_file(upload)
        looked = [look_at_picture(page.readers[key], path, lang) for key in (left, right)]
        return [shown for one in looked for shown in (one.picture, one.words)]

    (left, *left_shown), (right, *right_shown) = sides
    gr.on(
        [picture.change, left.change, right.change, page.lang.change],
        look,
        [picture, left, right, page.lang],
        [*left_shown, *right_shown],
        show_progress="minimal",
        trigger_mode="always_last",
        **_UNOPENED,
    )


_TABS = {"photo": _photo_tab, "live": _live_tab, "video": _video_tab, "compare": _compare_tab}
