"""`FER` and `Video` as the ``fer`` package has them: ``from mien.adapters.fer import FER, Video``.

Written against fer 22.5, https://github.com/JustinShenk/fer (MIT). Arrays are BGR, as ``cv2.imread`` gives them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien import images
from mien.csv_rows import CsvRows
from mien.errors import InputError, MissingExtraError
from mien.labels import FER_PACKAGE, convert_probs
from mien.recognition import Recognizer
from mien.recognition.numbers import check_whole
from mien.replacing import check_target, replacing
from mien.types import Box, Image, VideoRow, check_image

if TYPE_CHECKING:
    import pandas

__all__ = ["FER", "Video"]

_DECIMALS = 2
"""To which fer rounds its scores."""

_FIRST_FACE = ("box0", *(f"{label}0" for label in FER_PACKAGE.labels))

_NO_FILES = "writes no files; leave {name} out, or run: mien watch --save FILE"
_NO_WINDOW = "shows no window here; leave {name} out, or run: mien watch --display"


class FER:
    """Finds faces and scores their expressions."""

    def __init__(self, mtcnn: bool = False, *, recognizer: Recognizer | None = None) -> None:
        """Open mien's model and a detector.

        Args:
            mtcnn: Whether the better detector is wanted. mien has no MTCNN: it takes YuNet where its file is, else
                Haar. False takes Haar, as fer does.
            recognizer: A recogniser that is open already, in the place of both.
        """
        self.recognizer = recognizer or Recognizer(detector="auto" if mtcnn else "haar")

    def detect_emotions(
        self,
        img: str | Path | Image,
        face_rectangles: Sequence[Sequence[int]] | None = None,
    ) -> list[dict[str, Any]]:
        """Score the expression of every face.

        Args:
            img: A path, or pixels: uint8, (H, W, 3) in **BGR** order or (H, W) grey.
            face_rectangles: Boxes x, y, w, h in px, from forehead to chin; None looks for faces.

        Returns:
            For each face ``box`` (``[x, y, w, h]``) and ``emotions`` (label -> score in [0, 1], in fer's order,
            rounded as fer rounds); an empty list if there is none. Found faces come largest first.

        Raises:
            ImageError: If a file cannot be read.
            InputError: If the array is no picture, or a rectangle is no box or lies outside it.
        """
        is_file = isinstance(img, (str, Path))
        image = images.read(Path(img)) if is_file else _rgb(check_image(img))  # type: ignore[arg-type]
        faces = self.recognizer.predict(image, face_rectangles)
        return [_record(face.box, face.probabilities) for face in faces]

    def top_emotion(self, img: str | Path | Image) -> tuple[str | None, float | None]:
        """Return the label and the score of the first face; (None, None) if there is none."""
        faces = self.detect_emotions(img)
        if not faces:
            return None, None
        emotions = faces[0]["emotions"]
        label = max(emotions, key=emotions.__getitem__)
        return label, emotions[label]


class Video:
    """A recording whose frames are scored one after the other."""

    def __init__(
        self,
        video_file: str | Path,
        outdir: object = "output",
        first_face_only: bool = True,
        tempfile: str | None = None,
    ) -> None:
        """Name the recording; it is opened when it is analysed.

        Args:
            video_file: Path of the recording.
            outdir: Ignored, and not made: `analyze` writes no files.
            first_face_only: Whether `to_pandas` keeps the largest face of each frame only, without a number.
            tempfile: Ignored, as ``outdir``.

        Raises:
            InputError: If the second argument is a truth value: it is ``outdir``, as with fer.
        """
        del tempfile
        if isinstance(outdir, bool):
            raise InputError(
                f"outdir is {outdir}; expected a folder. Name the other one: first_face_only={outdir}"
            )
        self._path = Path(video_file)
        self._first_face_only = first_face_only

    def analyze(  # noqa: PLR0913 - fer's own arguments, in its order
        self,
        detector: FER,
        display: bool = False,
        output: str = "csv",
        frequency: int | None = None,
        max_results: int | None = None,
        save_fps: int | None = None,
        video_id: str | None = None,
        save_frames: bool = False,
        save_video: bool = False,
        annotate_frames: bool = True,
        zip_images: bool = True,
        detection_box: Mapping[str, int] | None = None,
        lang: str = "en",
        include_audio: bool = False,
        size_multiplier: int = 1,
    ) -> Any:
        """Score every face of every frame.

        Unlike fer, it writes no files, and a frame without faces has its place, so that row n is frame n.

        Args:
            detector: Finds and scores the faces.
            display: Only False: OpenCV's headless build has no windows.
            output: ``"csv"`` for the rows, ``"pandas"`` for `to_pandas` of them.
            frequency: Keep every so many-th frame only; None keeps all.
            max_results: Keep no more than so many of these; None keeps all. fer gives one more than it is asked for.
            save_fps: Only None: give ``frequency``.
            video_id: Ignored, as are ``annotate_frames``, ``zip_images``, ``lang`` and ``size_multiplier``: they tell of files.
            save_frames: Only False: no files are written, by default either.
            save_video: Only False.
            annotate_frames: Ignored.
            zip_images: Ignored.
            detection_box: Only None: frames are searched whole.
            lang: Ignored.
            include_audio: Only False.
            size_multiplier: Ignored.

        Returns:
            One dictionary a frame: for its faces, numbered from 0 and the largest first, ``box0`` and
            ``angry0`` … ``neutral0``; empty if there is none. `to_pandas` takes it. Or that table.

        Raises:
            InputError: If it shall do what it cannot, or a number is not positive.
            VideoError: If the recording cannot be read.
            MissingExtraError: If ``output`` is ``"pandas"``, which is not installed.
        """
        del video_id, annotate_frames, zip_images, lang, size_multiplier
        asked = {"save_frames": save_frames, "save_video": save_video}
        _refuse({**asked, "include_audio": include_audio}, _NO_FILES)
        _refuse({"display": display}, _NO_WINDOW)
        _refuse({"save_fps": save_fps}, "counts frames; give frequency, every so many-th frame")
        _refuse({"detection_box": detection_box}, "searches frames whole; leave detection_box out")
        if output not in ("csv", "pandas"):
            raise InputError(f"output is '{output}'; expected csv or pandas.")
        step = 1 if frequency is None else frequency
        check_whole("frequency", step, 1)
        if max_results is not None:
            check_whole("max_results", max_results, 1)
        watched = detector.recognizer.watch(self._path, probation_s=0)  # every face of every frame
        frames = itertools.groupby(watched, key=lambda row: row.frame)
        kept = (faces for number, faces in frames if number % step == 0)
        rows = [_of_frame(faces) for faces in itertools.islice(kept, max_results)]
        return self.to_pandas(rows) if output == "pandas" else rows

    def to_pandas(self, data: Sequence[Mapping[str, Any]] | pandas.DataFrame) -> pandas.DataFrame:
        """Turn what `analyze` gave into a table, one row a frame; empty cells where a frame has no face.

        A table stays as it is.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("pandas", "Video.to_pandas") from None
        if isinstance(data, pandas.DataFrame):
            return data
        table = pandas.DataFrame(data)
        return self.get_first_face(table) if self._first_face_only else table

    @staticmethod
    def get_first_face(df: pandas.DataFrame) -> pandas.DataFrame:
        """Return the columns of the first face, without its number; a table of one face stays as it is."""
        names = {name: name[:-1] for name in _FIRST_FACE if name in df.columns}
        return df[list(names)].rename(columns=names) if names else df

    @staticmethod
    def get_emotions(df: pandas.DataFrame) -> pandas.DataFrame:
        """Return the columns of scores, without those of boxes."""
        return df[[name for name in df.columns if "box" not in name]]

    def to_csv(
        self, data: Sequence[Mapping[str, Any]], filename: str | Path = "data.csv"
    ) -> list[Mapping[str, Any]]:
        """Write what `analyze` gave as CSV, the columns of the first face first; return it.

        Args:
            data: From `analyze`.
            filename: Where to. fer writes ``data.csv`` whatever it is told.

        Raises:
            ConfigError: If it cannot be written there.
        """
        path = Path(filename)
        check_target(path, "filename")
        columns = list(dict.fromkeys(name for row in sorted(data, key=len) for name in row))
        with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
            rows = CsvRows(stream)
            rows.writerow(columns)
            rows.writerows([row.get(name) for name in columns] for row in data)
        return list(data)


def _refuse(asked: Mapping[str, Any], words: str) -> None:
    """Refuse arguments that would change what is done.

    Raises:
        InputError: If one is given.
    """
    for name, value in asked.items():
        if value:
            raise InputError(f"Video.analyze {words.format(name=name)}.")


def _of_frame(faces: Iterable[VideoRow]) -> dict[str, Any]:
    return _numbered(
        _record(row.box, row.probabilities) for row in faces if row.probabilities is not None
    )


def _numbered(faces: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    numbered = {}
    for number, face in enumerate(faces):
        numbered[f"box{number}"] = face["box"]
        numbered |= {f"{label}{number}": score for label, score in face["emotions"].items()}
    return numbered


def _rgb(image: Image) -> Image:
    """Turn BGR into RGB; grey stays."""
    return np.ascontiguousarray(image[:, :, ::-1]) if image.ndim == 3 else image


def _record(box: Box | None, probabilities: Mapping[str, float]) -> dict[str, Any]:
    assert box is not None
    ours = np.array(list(probabilities.values()))
    probs = convert_probs(ours, list(probabilities), FER_PACKAGE.labels)
    scores = (round(score, _DECIMALS) for score in probs.tolist())
    return {
        "box": box.as_list(),
        "emotions": dict(zip(FER_PACKAGE.labels, scores, strict=True)),
    }
