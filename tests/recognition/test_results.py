import dataclasses
import io
import json

from mien.recognition.results import PictureResult, write_csv, write_json, write_jsonl
from mien.types import Face, Quality

FACE = Face("happy", 0.75, {"happy": 0.75, "sad": 0.25})


def written(write, *results, **options):
    stream = io.StringIO()
    write(iter(results), stream, **options)
    return stream.getvalue()


def test_no_pictures_are_an_empty_list():
    assert json.loads(written(write_json)) == []
    assert written(write_jsonl) == ""


def test_json_keeps_the_promised_fields_in_order():
    (record,) = json.loads(
        written(write_json, PictureResult(path="a", width=2, height=1, faces=[FACE]))
    )
    assert list(record) == ["path", "width", "height", "faces", "error"]
    first = ["box", "score", "expression", "confidence", "probabilities"]
    assert list(record["faces"][0]) == [*first, "unsure", "quality"]
    assert record["faces"][0]["box"] is None
    assert record["faces"][0]["unsure"] is False
    assert record["faces"][0]["quality"] is None


def test_json_holds_what_is_wrong_with_a_face():
    quality = Quality(face_px=20, sharpness=7.25, brightness=12.04, flags=("small", "dark"))
    face = Face("happy", 0.4, {"happy": 0.4, "sad": 0.6}, is_unsure=True, quality=quality)
    (record,) = json.loads(written(write_json, PictureResult(path="a", faces=[face])))
    assert record["faces"][0]["expression"] == "happy"
    assert record["faces"][0]["unsure"] is True
    assert record["faces"][0]["quality"] == {
        "face_px": 20,
        "sharpness": 7.2,
        "brightness": 12.0,
        "flags": ["small", "dark"],
    }


def test_json_leaves_hangul_readable():
    assert "얼굴.jpg" in written(write_jsonl, PictureResult(path="얼굴.jpg"))


def test_csv_numbers_the_faces_of_a_picture():
    quality = Quality(face_px=20, sharpness=7, brightness=12, flags=("small", "dark"))
    poor = dataclasses.replace(FACE, is_unsure=True, quality=quality)
    result = PictureResult(path="a", width=2, height=1, faces=[FACE, poor])
    assert written(write_csv, result, labels=("happy", "sad")) == (
        "path,width,height,face,x,y,w,h,score,expression,confidence,p_happy,p_sad,error,"
        "unsure,flags\n"
        "a,2,1,1,,,,,,happy,0.75,0.75,0.25,,0,\n"
        "a,2,1,2,,,,,,happy,0.75,0.75,0.25,,1,small+dark\n"
    )


def test_results_are_written_as_they_come():
    stream = io.StringIO()

    def pictures():
        yield PictureResult(path="first")
        assert "first" in stream.getvalue()
        yield PictureResult(path="second")

    write_json(pictures(), stream)
    assert len(json.loads(stream.getvalue())) == 2
