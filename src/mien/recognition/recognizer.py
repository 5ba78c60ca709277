"""From a picture to its faces and their expressions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien import images
from mien.errors import ImageError, InputError, ModelFileError
from mien.faces import Detector, GivenBoxes, crop_detection, open_detector
from mien.modelfile import Head, Model, adjusted, check_prior, load_model
from mien.preprocess import fit
from mien.recognition.gaze import FULL_LOOK_S
from mien.recognition.numbers import check_number, check_search_px, check_whole
from mien.recognition.pictures import FoundFace, Sighting, look_at_all
from mien.recognition.probation import PROBATION_S
from mien.recognition.quality import measure_quality
from mien.recognition.results import PictureResult
from mien.recognition.source import open_source
from mien.recognition.video import SEARCH_PX, search, watch_frames
from mien.softmax import softmax
from mien.types import Box, Detection, Face, Image, VideoRow, check_image

__all__ = ["Recognizer"]

_PREFERRED_HEAD = "ferplus"
"""Ten people judged each face for FER+, one for FER2013: its labels are the better answer."""


class Recognizer:
    """A detector and a network that work together.

    Several threads may use one at the same time. It cannot be pickled: each process opens its own.
    """

    def __init__(
        self,
        model: str | Path | Model = "mien-s",
        labels: str | None = None,
        detector: str | Detector = "auto",
        threads: int = 1,
        min_confidence: float | None = None,
        prior: str = "training",
    ) -> None:
        """Open the network and the detector.

        Args:
            model: Name of a model that ships with mien, path of a model file, or an open model.
            labels: ``"ferplus"`` (eight expressions) or ``"fer2013"`` (seven): which head of the model answers.
                None takes FER+ where the model has it, else its first.
            detector: ``"auto"``, ``"haar"``, ``"yunet"``, ``"none"`` (every picture is a face), or one of your own.
            threads: How many threads the network may use for one call; 0 lets ONNX Runtime choose.
            min_confidence: Less confident answers are unsure, 0 to 1; 0 never. None takes what was measured for
                each expression and stands in the model file, never unsure where nothing does.
            prior: ``"training"``: expressions are as frequent as in the training data. ``"uniform"``: all equally, which
                finds more of the rare ones (disgust, fear, contempt) and is more often wrong about the others. What is
                measured of unsure answers was measured under the first.

        Raises:
            UnknownNameError: If there is no such model, detector or prior.
            InputError: If the model has no such labels, or does not say how frequent they were in training; or if
                ``min_confidence`` is out of its range.
            ModelFileError: If the model file cannot be used.
            MissingExtraError, DownloadError: If the model is on the Hugging Face Hub and cannot be had from there.
        """
        self.model = model if isinstance(model, Model) else load_model(model, threads)
        self.head = _choose_head(self.model, labels)
        check_prior(self.head, prior)
        self.prior = prior
        self.unsure_below = _thresholds(self.head, min_confidence)
        """Label -> answers of it that are less confident are unsure."""
        self.detector: Detector = open_detector(detector) if isinstance(detector, str) else detector

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions that it can answer, in the model's order."""
        return self.head.labels

    def predict(
        self,
        image: Image | str | Path,
        boxes: Iterable[Box | Sequence[float]] | None = None,
        search_px: int | None = None,
    ) -> list[Face]:
        """Find the faces of a picture and recognise their expressions.

        Args:
            image: A path, or uint8 pixels: (H, W, 3) in RGB order or (H, W) grey. OpenCV reads BGR, which cannot
                be told from RGB: give it ``image[:, :, ::-1]``.
            boxes: Where the faces are, if you know it: each a `Box` or x, y, width, height. The detector is not asked, and
                ``search_px`` changes nothing.
            search_px: Longer side at which faces are looked for, 64 or more. Larger finds smaller faces and takes longer;
                crops keep all their pixels. None leaves it to the detector: 1920 for YuNet, 640 for Haar.

        Returns:
            The faces, largest first, or in the order of ``boxes``; an empty list if there are none.

        Raises:
            ImageError: If the file cannot be read, or OpenCV cannot search it.
            InputError: If the array is no picture, a box lies outside it, or ``search_px`` is out of range.
        """
        if search_px is not None:
            check_search_px(search_px)
        if isinstance(image, (str, Path)):
            image = images.read(Path(image))
        image = check_image(image)
        if boxes is None:
            found = list(self._find(image, self.detector, search_px))
        else:
            found = list(self._find(image, GivenBoxes(boxes)))
        return self.answers(found, len(found) or 1)

    def predict_many(
        self,
        paths: Iterable[str | Path],
        batch_size: int = 32,
        jobs: int = 0,
        search_px: int | None = None,
    ) -> Iterator[PictureResult]:
        """Recognise the faces of many picture files.

        Pictures are read and searched in threads, and faces of several pictures go through the network together.
        A fixed number of pictures is in work at any time, so memory stays flat however many there are.

        Args:
            paths: The files, taken as they are needed: a generator of millions will do. A single path is one file.
            batch_size: How many faces go through the network at once.
            jobs: Threads that read and search; 0 takes one a processor.
            search_px: As `predict` takes it.

        Returns:
            One result a picture as soon as it is known, in the order of the paths. A picture that cannot be read
            is a result with ``error``; the others go on.

        Raises:
            InputError: If a number is out of range.
        """
        if search_px is not None:
            check_search_px(search_px)
        if isinstance(paths, (str, Path)):  # else its letters would be the files
            paths = [paths]
        groups = look_at_all(paths, partial(self._find, search_px=search_px), batch_size, jobs)
        return (result for group in groups for result in self._results(group, batch_size))

    def predict_faces(
        self, crops: Sequence[Image] | NDArray[np.uint8], batch_size: int = 32
    ) -> list[Face]:
        """Recognise the expressions of faces that are already cut out.

        Args:
            crops: Faces as uint8 arrays, (H, W, 3) RGB or (H, W) grey, each of its own size; framed like FER2013's
                (forehead to chin) they are recognised best.
            batch_size: How many go through the network at once.

        Returns:
            One answer a crop, in their order, without box and score.

        Raises:
            InputError: If a crop is no picture, or ``batch_size`` is not positive.
        """
        check_whole("batch_size", batch_size, 1)
        if isinstance(crops, np.ndarray) and (
            crops.ndim == 2 or (crops.ndim == 3 and crops.shape[2] in (1, 3))
        ):
            raise InputError(
                f"predict_faces takes several crops; got one array {crops.shape}. Put it in a list: [crop]"
            )
        checked = [check_image(crop, f"Crop {index}") for index, crop in enumerate(crops)]
        return self.answers([self.fitted(crop) for crop in checked], batch_size)

    def fitted(self, crop: Image, detection: Detection | None = None) -> FoundFace:
        """Bring a face to the network's size, so that neither the crop nor its picture need stay in memory; for `answers`.

        Args:
            crop: As `predict_faces` takes it.
            detection: Where it was found; None if it was given as a crop.
        """
        # As a copy: a crop that has the network's size and colours is a part of its picture.
        fitted = np.array(fit(crop, self.model.info.input))
        return FoundFace(fitted, measure_quality(fitted, min(crop.shape[:2])), detection)

    def answers(self, found: Sequence[FoundFace], batch_size: int = 32) -> list[Face]:
        """Recognise the expressions of `fitted` faces, ``batch_size`` at once; one answer each, in their order."""
        return list(self._faces(found, batch_size))

    def watch(  # noqa: PLR0913 - the options of mien watch
        self,
        source: str | Path | int,
        fps: float | None = None,
        max_faces: int | None = None,
        start: float | None = None,
        end: float | None = None,
        search_px: int = SEARCH_PX,
        full_look_s: float = FULL_LOOK_S,
        probation_s: float = PROBATION_S,
    ) -> Iterator[VideoRow]:
        """Follow the faces of a recording, a camera or a stream and recognise their expressions over time.

        A camera is never waited for: frames that there is no time for are left out. Of a recording every frame counts.

        Args:
            source: Path of a recording, number of a camera, or a URL such as ``"rtsp://…"``.
            fps: Look at no more than so many frames a second; None looks at all.
            max_faces: Follow no more than the so many largest faces of a frame; None follows all.
            start: Begin there, in seconds.
            end: Stop before this time, in seconds.
            search_px: Faces are looked for in frames of no more than this longer side. Larger finds smaller faces
                and takes longer; crops keep all their pixels.
            full_look_s: After so many seconds all of a frame is searched, and between only around known faces, which
                is quicker: a new face beside known ones may wait so long for its first row. 0 searches all of every
                frame. Detectors of your own that know no `detect_near` always do.
            probation_s: Faces that last under so many seconds are mostly a detector's mistakes and have no rows; 0
                leaves none out.

        Returns:
            For each frame one row a tracked face; one without a face if there is none.

        Raises:
            VideoError: If the source cannot be opened; or, after its last row, if it breaks off before its end.
            InputError: If a number is out of its range.
        """
        for name, number in (("fps", fps), ("start", start), ("end", end)):
            if number is not None:
                check_number(name, number)
        if max_faces is not None:
            check_whole("max_faces", max_faces, 1)
        check_search_px(search_px)
        check_number("full_look_s", full_look_s)
        check_number("probation_s", probation_s)
        frames = watch_frames(
            self,
            open_source(source),
            fps=fps,
            max_faces=max_faces,
            start=start,
            end=end,
            search_px=search_px,
            full_look_s=full_look_s,
            probation_s=probation_s,
        )
        return (row for frame in frames for row in frame.rows)

    def _find(
        self, image: Image, detector: Detector | None = None, search_px: int | None = None
    ) -> Iterator[FoundFace]:
        detector = detector or self.detector
        try:
            if search_px is None:
                detections = detector.detect(image)
            else:
                detections = search(detector, image, search_px)
            for found in detections:
                yield self.fitted(crop_detection(image, found, detector.frame), found)
        except cv2.error as error:  # of shapes that OpenCV's functions do not take
            height, width = image.shape[:2]
            raise ImageError(
                f"A picture of {width} × {height} px cannot be searched by {detector.name}: {_reason(error)}."
            ) from None

    def _results(self, group: Sequence[Sighting], batch_size: int) -> Iterator[PictureResult]:
        """Classify the faces of a group of pictures and hand them back to their pictures."""
        faces = self._faces([face for seen in group for face in seen.faces], batch_size)
        for seen in group:
            yield PictureResult(
                path=seen.path,
                width=seen.width,
                height=seen.height,
                faces=[next(faces) for _ in seen.faces],
                error=seen.error,
            )

    def _faces(self, found: Sequence[FoundFace], batch_size: int) -> Iterator[Face]:
        probabilities = self._probabilities([face.fitted for face in found], batch_size)
        for face, probs in zip(found, probabilities, strict=True):
            yield self._face(face, probs)

    def _probabilities(
        self, fitted: Sequence[Image], batch_size: int
    ) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(fitted), batch_size):
            inputs = np.stack(fitted[start : start + batch_size])
            logits = self.model.logits(inputs)[self.head.name]  # (N, C)
            if not np.isfinite(logits).all():
                raise ModelFileError(
                    f"{self.model.path} gave answers that are no numbers. Export it again: mien export"
                )
            weighed = adjusted(logits.astype(np.float64), self.head, self.prior)
            yield from softmax(weighed, self.head.temperature)

    def _face(self, found: FoundFace, probs: NDArray[np.float64]) -> Face:
        best = int(probs.argmax())
        place = found.detection
        return Face(
            expression=self.head.labels[best],
            confidence=float(probs[best]),
            probabilities=dict(zip(self.head.labels, probs.tolist(), strict=True)),
            box=place.box if place else None,
            score=place.score if place else None,
            is_unsure=bool(probs[best] < self.unsure_below[self.head.labels[best]]),
            quality=found.quality,
        )


def _choose_head(model: Model, labels: str | None) -> Head:
    names = [head.name for head in model.info.heads]
    if labels is None:
        labels = _PREFERRED_HEAD if _PREFERRED_HEAD in names else names[0]
    return model.info.head(labels)


def _thresholds(head: Head, min_confidence: float | None) -> dict[str, float]:
    if min_confidence is None:
        return dict(zip(head.labels, head.unsure_below or [0.0] * len(head.labels), strict=True))
    if not 0 <= min_confidence <= 1:
        raise InputError(f"min_confidence is {min_confidence}; expected 0 to 1.")
    return dict.fromkeys(head.labels, float(min_confidence))


def _reason(error: cv2.error) -> str:
    """Return OpenCV's own words on one line, without the place in its source before them.

    ``error.err`` has them too, but OpenCV keeps it at the class: it is the last error's, in whatever thread.
    """
    return " ".join(str(error).rpartition("error: ")[2].split()).rstrip(".")
