"""What reaches the log."""

import io
import json
import logging
import struct
import warnings

import PIL.Image
import pytest

from mien import images
from mien.service.logs import set_up_logging


@pytest.fixture
def _logging_as_before():
    """The loggers that are set up belong to all tests."""
    names = ("", "mien", "uvicorn", "uvicorn.error", "python_multipart")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.level, one.handlers[:], one.filters[:], one.propagate) for one in loggers]
    yield
    for one, (level, handlers, filters, propagate) in zip(loggers, before, strict=True):
        one.setLevel(level)
        one.handlers[:], one.filters[:], one.propagate = handlers, filters, propagate


@pytest.mark.usefixtures("_logging_as_before")
def test_callers_cannot_fill_the_log_with_the_warnings_of_libraries(capsys):
    set_up_logging("info")
    uvicorn, multipart = map(logging.getLogger, ("uvicorn.error", "python_multipart.multipart"))
    uvicorn.warning("Invalid HTTP request received.")
    uvicorn.warning("Unsupported upgrade request.")
    uvicorn.warning("No supported WebSocket library detected. Please use …")
    multipart.warning("Skipping data after last boundary")
    uvicorn.warning("Something else.")
    multipart.error("A failure.")
    lines = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["Something else.", "A failure."]


@pytest.mark.usefixtures("_logging_as_before")
def test_callers_cannot_write_beside_the_log_by_odd_pictures():
    # An orientation of two numbers. With ten thousand of them Pillow would warn once more, and so on.
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 2, 1, 1, 0)
    picture = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(picture, "JPEG", exif=exif)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        set_up_logging("info")
        assert images.decode(picture.getvalue()).shape == (8, 8, 3)
    assert not said
