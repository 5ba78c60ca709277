"""AWS Rekognition, asked only where mien finds no face or is unsure, and only if the operator switched it on.

What leaves the machine is the picture, newly encoded: without its file's name and without what a camera wrote into it.
A cloud that fails, is slow or knows us not changes nothing in mien's own answer.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol

import PIL.Image

from mien.errors import ConfigError, MissingExtraError
from mien.faces.overlap import overlap
from mien.labels import canonical
from mien.types import Box, Face, Image

__all__ = [
    "Fallback",
    "RekognitionFallback",
    "Reply",
    "check_labels",
    "is_wanted",
    "merge",
    "rekognition_client",
]

logger = logging.getLogger(__name__)

SOURCE = "rekognition"

_EXPRESSIONS = {
    "HAPPY": "happiness",
    "SAD": "sadness",
    "ANGRY": "anger",
    "DISGUSTED": "disgust",
    "SURPRISED": "surprise",
    "FEAR": "fear",
    "CALM": "neutral",
}
"""Rekognition's types, and what they are here. CONFUSED and UNKNOWN have no counterpart and are left out.

Source: https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Emotion.html
"""

_LONGER_SIDE_PX = 1280
_JPEG_QUALITY = 90
_SAME_FACE = 0.5
"""Boxes that share this part of the smaller one show the same face."""
_PAUSE_S = 30.0
"""After a failure the cloud is left alone for so long, so that not every request waits for it."""
_THREADS = 4

_PICTURES_OWN = frozenset(
    {"ImageTooLargeException", "InvalidImageFormatException", "InvalidParameterException"}
)
"""What Rekognition says of a picture that it does not take, one of less than 80 px for example; it takes the next one."""

_NEVER_SENT = frozenset(
    {
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProxyConnectionError",
        "SSLError",
    }
)
"""Errors of botocore from before a picture is on its way. Of any other one, that is not known."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a question."""

    faces: Sequence[Face] | None
    """Those that they see, largest first; None without an answer."""
    was_sent: bool = True
    """Whether the picture may have left the machine."""


class Fallback(Protocol):
    """Somebody else to ask."""

    def is_open(self) -> bool:
        """Whether there is sense in asking now."""
        ...

    def submit(self, image: Image) -> Future[Reply]:
        """Ask in another thread."""
        ...

    def close(self) -> None:
        """End the threads."""
        ...


class RekognitionFallback:
    """Faces and expressions from AWS Rekognition; several threads may ask at the same time."""

    def __init__(
        self,
        client: Any,
        labels: Sequence[str],
        unsure_below: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a client.

        Args:
            client: What ``boto3.client("rekognition")`` gives.
            labels: How the recogniser spells the expressions, in its order.
            unsure_below: Label -> answers of it that are less confident are unsure, as the recogniser's are.
            clock: Seconds.

        Raises:
            ConfigError: See `check_labels`.
        """
        check_labels(labels)
        self._client = client
        self._labels = tuple(labels)
        self._unsure_below = unsure_below
        self._clock = clock
        self._paused_until = 0.0
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mien-cloud")

    def is_open(self) -> bool:
        """Whether it is not left alone for a while after a failure."""
        return self._clock() >= self._paused_until

    def submit(self, image: Image) -> Future[Reply]:
        """Ask about a picture in another thread; see `Fallback.submit`."""
        return self._pool.submit(self.ask, image)

    def close(self) -> None:
        """End the threads; who still waits for the cloud gets our own answer."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, image: Image) -> Reply:
        """Ask now."""
        if not self.is_open():
            return Reply(None, was_sent=False)
        try:
            answer = self._client.detect_faces(
                Image={"Bytes": _jpeg(image)}, Attributes=["EMOTIONS"]
            )
            return Reply(self._faces(answer["FaceDetails"], image.shape[1], image.shape[0]))
        except Exception as error:  # noqa: BLE001 - whatever happens there, our own answer stands
            # Their class alone: messages of AWS may name accounts and keys.
            kind = _kind(error)
            if kind in _PICTURES_OWN:
                logger.info("Rekognition does not take a picture (%s).", kind)
                return Reply(None)
            self._paused_until = self._clock() + _PAUSE_S
            logger.warning(
                "Rekognition could not be asked (%s); it is left alone for %g s.", kind, _PAUSE_S
            )
            return Reply(None, was_sent=kind not in _NEVER_SENT)

    def _faces(self, details: Sequence[Mapping[str, Any]], width: int, height: int) -> list[Face]:
        faces = [face for one in details if (face := self._face(one, width, height)) is not None]
        return sorted(faces, key=lambda face: -(face.box.w * face.box.h if face.box else 0))

    def _face(self, detail: Mapping[str, Any], width: int, height: int) -> Face | None:
        """Bring one of their faces to our shape; None if it shows none of our expressions, or another one more."""
        shares = {
            _EXPRESSIONS[one["Type"]]: float(one["Confidence"])
            for one in detail.get("Emotions", ())
            if one["Type"] in _EXPRESSIONS
        }
        ours = {label: shares.get(canonical(label) or label, 0.0) for label in self._labels}
        total, highest = sum(ours.values()), max(ours.values())
        box = _box(detail["BoundingBox"], width, height)
        if total <= 0 or highest < max(shares.values()) or box is None:
            return None
        probs = {label: share / total for label, share in ours.items()}
        best = max(probs, key=lambda label: probs[label])
        return Face(
            expression=best,
            confidence=probs[best],
            probabilities=probs,
            box=box,
            score=float(detail.get("Confidence", 0.0)) / 100,
            is_unsure=probs[best] < self._unsure_below[best],
        )


def check_labels(labels: Collection[str]) -> None:
    """Refuse to ask about expressions that Rekognition does not know: pictures would leave the machine for nothing.

    Raises:
        ConfigError: If none of the labels has a counterpart there.
    """
    if not {canonical(label) for label in labels} & set(_EXPRESSIONS.values()):
        raise ConfigError(
            f"--fallback rekognition knows none of the model's expressions ({', '.join(labels)}). Leave it out."
        )


def rekognition_client(region: str | None, timeout_s: float) -> Any:
    """Return a client of AWS that gives up soon and never tries twice.

    Args:
        region: None for what AWS's own variables and files say.
        timeout_s: For connecting, and again for the answer.

    Raises:
        MissingExtraError: If boto3 is not installed.
        ConfigError: If no region is known, or AWS's own settings cannot be used.
    """
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, NoRegionError
    except ImportError:
        raise MissingExtraError("aws", "The fallback to AWS Rekognition") from None
    patience = Config(
        connect_timeout=timeout_s, read_timeout=timeout_s, retries={"total_max_attempts": 1}
    )
    try:
        return Session().client("rekognition", region_name=region, config=patience)
    except NoRegionError:
        raise ConfigError(
            "--fallback rekognition needs a region. Set MIEN_SERVICE_FALLBACK_REGION, for example to eu-west-1."
        ) from None
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no address
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(
            f"AWS Rekognition cannot be asked: {reason}. Check MIEN_SERVICE_FALLBACK_REGION, and AWS's own variables and files."
        ) from None


def is_wanted(own: Sequence[Face]) -> bool:
    """Whether our own answer leaves anything to ask."""
    return not own or any(face.is_unsure for face in own)


def merge(own: Sequence[Face], theirs: Sequence[Face]) -> list[tuple[Face, str]]:
    """Join two answers; each face with its source.

    Where we found no face, theirs stand. Where we were unsure and they are not, the face keeps our box and quality and
    takes their expression. What we are sure of is never replaced, and no face is added beside ours.
    """
    if not own:
        return [(face, SOURCE) for face in theirs]
    return [_settle(face, theirs) for face in own]


def _settle(face: Face, theirs: Sequence[Face]) -> tuple[Face, str]:
    if face.is_unsure and face.box is not None:
        near = [(overlap(face.box, other.box), other) for other in theirs if other.box is not None]
        shared, other = max(near, key=lambda pair: pair[0], default=(0.0, face))
        if shared >= _SAME_FACE and not other.is_unsure:
            settled = replace(
                face,
                expression=other.expression,
                confidence=other.confidence,
                probabilities=other.probabilities,
                is_unsure=False,
            )
            return settled, SOURCE
    return face, "mien"


def _kind(error: Exception) -> str:
    """Return the name of an error: AWS's own for it where it answered."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code if isinstance(code, str) and code.isidentifier() else type(error).__name__


def _jpeg(image: Image) -> bytes:
    picture = PIL.Image.fromarray(image)
    picture.thumbnail((_LONGER_SIDE_PX, _LONGER_SIDE_PX))  # Rekognition takes 5 MB
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _box(shares: Mapping[str, float], width: int, height: int) -> Box | None:
    """Turn shares of the picture into pixels inside it; None if nothing is left."""
    left, top = max(0, round(shares["Left"] * width)), max(0, round(shares["Top"] * height))
    right = min(width, round((shares["Left"] + shares["Width"]) * width))
    bottom = min(height, round((shares["Top"] + shares["Height"]) * height))
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None
