"""One picture: read, or refused in words that people understand; its faces as a picture and as cards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image

from mien import images
from mien.demo.cards import face_cards, message
from mien.demo.texts import say
from mien.errors import ImageError, InputError
from mien.recognition import Recognizer, annotate
from mien.types import Image

__all__ = ["Looked", "Upload", "look_at_picture", "uploaded_file"]

Upload = Mapping[str, Any] | None
"""What a browser says of a file that it uploaded; None if there is none."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What the page shows for a picture."""

    picture: Image | None
    """A copy with the faces framed; None if there is none to show."""
    words: str
    """HTML: the faces, or why there are none."""


def look_at_picture(recognizer: Recognizer, path: str | Path, lang: str) -> Looked:
    """Read a picture file and recognise its faces.

    Args:
        recognizer: Detects and classifies.
        path: A file that somebody uploaded: anything.
        lang: ``"en"`` or ``"ko"``.
    """
    try:
        image = images.read(Path(path))
    except ImageError:
        return Looked(None, message(_refusal(Path(path), lang), "refused"))
    faces = recognizer.predict(image)
    if not faces:
        return Looked(image, message(say("faces.none", lang), "refused"))
    key = "faces.one" if len(faces) == 1 else "faces.many"
    summary = say(key, lang, count=len(faces), detector=recognizer.detector.name)
    cards = face_cards(image, faces, lang)
    return Looked(annotate(image, faces, lang), message(summary, "summary") + cards)


def uploaded_file(upload: Mapping[str, Any]) -> Path:
    """Return where an upload lies, and make sure that it is one: the browser names the file, and could name any.

    Args:
        upload: What the browser says.

    Raises:
        InputError: If the file does not lie among the uploads, in the folder that ``GRADIO_TEMP_DIR`` names.
    """
    path = Path(str(upload.get("path"))).resolve()
    folder = os.environ.get("GRADIO_TEMP_DIR")
    if not folder or not path.is_relative_to(Path(folder).resolve()):
        raise InputError(f"{path} is no upload of this page. Upload the picture.")
    return path


def _refusal(path: Path, lang: str) -> str:
    """Say, in people's own language, why a file was not read: `images` says it in English, and names temporary files."""
    if _is_too_large(path):
        return say(
            "refused.large",
            lang,
            megapixels=images.MAX_PIXELS // 10**6,
            mebibytes=images.MAX_BYTES >> 20,
        )
    return say("refused.picture", lang)


def _is_too_large(path: Path) -> bool:
    try:
        if path.stat().st_size > images.MAX_BYTES:
            return True
        with PIL.Image.open(path) as opened:  # the header only
            return opened.width * opened.height > images.MAX_PIXELS
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        return True
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for a header that is none
        return False
