import re

import numpy as np
import PIL.Image
import pytest

from mien import images
from mien.data.synthetic import draw_scene
from mien.demo.photo import look_at_picture, uploaded_file
from mien.errors import InputError
from mien.faces import open_detector
from mien.recognition import Recognizer


@pytest.fixture
def recognizer(tiny_model_path):
    return Recognizer(tiny_model_path, detector=open_detector("haar"))


def test_each_face_is_framed_and_has_its_card(recognizer, tmp_path):
    drawn, _ = draw_scene(["happiness", "neutral"], 1)
    images.write(tmp_path / "photo.png", drawn)
    looked = look_at_picture(recognizer, tmp_path / "photo.png", "en")
    faces = recognizer.predict(drawn)
    assert len(faces) == 2
    assert "2 faces, found by haar." in looked.words
    named = re.findall(r"<strong>(\w+)</strong>", looked.words)
    assert named == [
        {"happiness": "happy", "sadness": "sad"}.get(f.answer, f.answer) for f in faces
    ]
    assert looked.picture.shape == drawn.shape
    box = faces[0].box
    changed = (looked.picture != drawn).any(axis=2)
    assert changed[box.y : box.y + box.h, box.x].mean() > 0.9  # the left side of its frame


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "No face was found. Try a picture"), ("ko", "얼굴을 찾지 못했습니다.")],
)
def test_a_picture_without_a_face_is_shown_and_says_so(recognizer, tmp_path, lang, words):
    images.write(tmp_path / "wall.png", np.full((90, 120, 3), 128, np.uint8))
    looked = look_at_picture(recognizer, tmp_path / "wall.png", lang)
    assert looked.picture.shape == (90, 120, 3)
    assert words in looked.words
    assert 'role="alert"' in looked.words


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", "This is no picture that can be read."), ("ko", "읽을 수 있는 사진이 아닙니다.")],
)
@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"x" * 50])
def test_what_is_no_picture_is_refused(recognizer, tmp_path, data, lang, words):
    (tmp_path / "cat.jpg").write_bytes(data)
    looked = look_at_picture(recognizer, tmp_path / "cat.jpg", lang)
    assert looked.picture is None
    assert words in looked.words


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", "too large: at most 50 megapixels and 256 MiB"),
        ("ko", "사진이 너무 큽니다. 50메가픽셀"),
    ],
)
@pytest.mark.parametrize("side_px", [7100, 9500, 14000])  # over our limit, Pillow's first, its last
def test_a_picture_with_too_many_pixels_is_refused_unread(
    recognizer, tmp_path, side_px, lang, words
):
    PIL.Image.new("1", (side_px, side_px)).save(tmp_path / "bomb.png")
    looked = look_at_picture(recognizer, tmp_path / "bomb.png", lang)
    assert looked.picture is None
    assert words in looked.words


def test_a_file_with_too_many_bytes_is_refused_unread(recognizer, tmp_path):
    with (tmp_path / "long.jpg").open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # takes no room on the disk
    assert "too large" in look_at_picture(recognizer, tmp_path / "long.jpg", "en").words


def test_only_uploads_are_read_whatever_the_browser_names(tmp_path, monkeypatch):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    assert uploaded_file({"path": str(uploads / "a" / "cat.jpg")}) == uploads / "a" / "cat.jpg"
    for named in (tmp_path / "cat.jpg", uploads / ".." / "cat.jpg", "/etc/passwd", "cat.jpg", None):
        with pytest.raises(InputError, match=r"is no upload of this page\. Upload the picture\."):
            uploaded_file({"path": named})
    (uploads / "link.jpg").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="/etc/passwd is no upload"):
        uploaded_file({"path": str(uploads / "link.jpg")})
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    with pytest.raises(InputError, match="is no upload"):
        uploaded_file({"path": str(uploads / "cat.jpg")})
