import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien import cli, images
from mien.cli.copies import Copies, is_copy
from mien.cli.predict import predict
from mien.data.synthetic import draw_scene
from mien.recognition import Recognizer


@pytest.fixture
def run(tiny_model_path, monkeypatch, capsys):
    """Return a function that runs `mien predict` with the tiny model: exit code, stdout, stderr."""

    def call(*arguments, detector="none"):
        options = ["--model", str(tiny_model_path), "--detector", detector]
        words = ["mien", "predict", *map(str, arguments), *options]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder to stand in, with a white and a black picture, another one below, and no picture."""
    folder = tmp_path / "pictures"
    images.write(folder / "white.png", np.full((4, 6, 3), 255, np.uint8))
    images.write(folder / "black.jpg", np.zeros((5, 5, 3), np.uint8))
    images.write(folder / "below" / "white.png", np.full((4, 6, 3), 255, np.uint8))
    (folder / "notes.txt").write_text("dear diary")
    monkeypatch.chdir(folder)
    return folder


def test_json_holds_what_was_found(run, pictures, tiny_model_path):
    code, out, err = run("white.png", "--format", "json")
    assert (code, err) == (0, "")
    (face,) = Recognizer(tiny_model_path, detector="none").predict(pictures / "white.png")
    assert json.loads(out) == [
        {
            "path": "white.png",
            "width": 6,
            "height": 4,
            "faces": [
                {
                    "box": [0, 0, 6, 4],
                    "score": 1.0,
                    "expression": "happiness",
                    "confidence": face.confidence,
                    "probabilities": face.probabilities,
                    "unsure": False,
                    "quality": {
                        "face_px": 4,
                        "sharpness": 0.0,
                        "brightness": 255.0,
                        "flags": ["small", "blurred"],
                    },
                }
            ],
            "error": None,
        }
    ]
    assert face.confidence > 0.8


@pytest.mark.usefixtures("pictures")
def test_json_lines_hold_the_same_records(run):
    _, whole, _ = run("white.png", "black.jpg", "--format", "json")
    _, lines, _ = run("white.png", "black.jpg", "--format", "jsonl")
    assert [json.loads(line) for line in lines.splitlines()] == json.loads(whole)


@pytest.mark.usefixtures("pictures")
def test_labels_choose_the_head_and_language_leaves_files_alone(run):
    _, out, _ = run("black.jpg", "--format", "json", "--labels", "fer2013", "--lang", "ko")
    (face,) = json.loads(out)[0]["faces"]
    assert face["expression"] == "sad"
    assert list(face["probabilities"]) == [
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
        "neutral",
    ]


def test_a_carriage_return_in_a_name_begins_no_row(run, pictures):
    name = "a\rb,c.png"
    images.write(pictures / name, np.zeros((4, 4, 3), np.uint8))
    _, out, _ = run("a*.png", "gone\r.png", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["path"] for row in rows] == [name, "gone\r.png"]
    assert rows[1]["error"] == "gone\r.png does not exist."


@pytest.mark.usefixtures("pictures")
def test_csv_has_one_row_a_face(run):
    _, out, _ = run("white.png", "gone.png", "--format", "csv")
    first, second = csv.DictReader(io.StringIO(out))
    assert (first["path"], first["width"], first["height"]) == ("white.png", "6", "4")
    assert [first[key] for key in ("face", "x", "y", "w", "h", "score")] == [
        "1",
        "0",
        "0",
        "6",
        "4",
        "1.0",
    ]
    assert first["expression"] == "happiness"
    assert float(first["p_happiness"]) == float(first["confidence"]) > 0.8
    assert first["error"] == ""
    assert second["path"] == "gone.png"
    assert second["error"] == "gone.png does not exist."
    assert {key for key, value in second.items() if value} == {"path", "error"}


def test_csv_has_a_row_for_a_picture_without_faces(run, tmp_path):
    images.write(tmp_path / "wall.png", np.full((90, 90, 3), 99, np.uint8))
    code, out, _ = run(tmp_path / "wall.png", "--format", "csv", detector="haar")
    (row,) = csv.DictReader(io.StringIO(out))
    assert code == 0
    assert (row["width"], row["face"], row["expression"], row["error"]) == ("90", "", "", "")


@pytest.mark.parametrize("name", ["=1+1.png", "+1.png", "@x.png", "-x.png"])
def test_csv_holds_no_formulas(run, pictures, name):
    images.write(pictures / name, np.zeros((4, 4, 3), np.uint8))
    # A pattern: a shell would not pass -x.png as a path.
    _, out, _ = run(f"?{name[1:]}", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["path"] == f"./{name}"
    assert (pictures / row["path"]).is_file()


@pytest.mark.usefixtures("pictures")
def test_csv_holds_no_formulas_in_messages(run):
    _, out, _ = run("=gone.png", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["error"] == "./=gone.png does not exist."


@pytest.mark.usefixtures("pictures")
def test_the_table_names_expressions_for_people(run):
    code, out, _ = run("white.png", "black.jpg")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:4] == ["picture", "face", "expression", "confidence"]
    assert lines[2] == ["white.png", "1", "happy", "88%", "0", "0", "6", "4"]
    assert lines[3][:3] == ["black.jpg", "1", "sad"]


@pytest.mark.usefixtures("pictures")
def test_the_table_speaks_korean(run):
    assert "행복" in run("white.png", "--lang", "ko")[1]


@pytest.mark.usefixtures("pictures")
def test_answers_that_are_not_confident_enough_are_shown_as_unsure(run):
    _, out, _ = run("white.png", "--min-confidence", "0.95")
    assert out.splitlines()[2].split()[:4] == ["white.png", "1", "unsure", "88%"]
    assert "불확실" in run("white.png", "--min-confidence", "0.95", "--lang", "ko")[1]
    _, out, _ = run("white.png", "--min-confidence", "0.95", "--format", "json")
    (face,) = json.loads(out)[0]["faces"]
    assert (face["expression"], face["unsure"]) == ("happiness", True)


def test_jobs_and_batches_change_nothing_but_the_speed(run, pictures):
    for value in range(0, 250, 50):
        images.write(pictures / "many" / f"{value}.png", np.full((9, 9), value, np.uint8))
    options = ("many", "white.png", "gone.png", "--format", "jsonl")
    code, plain, _ = run(*options, "--jobs", "1", "--batch-size", "1")
    assert code == 1
    assert run(*options, "-j", "3", "--batch-size", "4")[1] == plain


@pytest.mark.parametrize(
    ("option", "value"), [("--min-confidence", "1.5"), ("--jobs", "-1"), ("--batch-size", "0")]
)
def test_numbers_out_of_range_end_with_2(run, pictures, option, value):
    code, _, err = run(pictures, option, value)
    assert code == 2
    assert option in err.replace("\n", " ")


def test_no_face_is_said_and_is_no_failure(run, tmp_path):
    images.write(tmp_path / "wall.png", np.full((90, 90, 3), 99, np.uint8))
    code, out, err = run(tmp_path / "wall.png", detector="haar")
    assert (code, err) == (0, "")
    assert out.splitlines()[2].split()[1:] == ["no", "face"]


def test_drawn_faces_are_found(run, tmp_path):
    scene, boxes = draw_scene(["happiness", "sadness"], seed=3, width_px=320, height_px=200)
    images.write(tmp_path / "scene.png", scene)
    _, out, _ = run(tmp_path / "scene.png", "--format", "json", detector="auto")
    assert len(json.loads(out)[0]["faces"]) == len(boxes)


def test_long_paths_are_not_cut(run, pictures):
    name = "long " * 30 + ".png"
    images.write(pictures / name, np.zeros((4, 4, 3), np.uint8))
    assert name in run(name)[1]


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_searched(
    run, pictures, monkeypatch
):
    below = str(pictures / "below")
    look = os.scandir

    def look_unless_shut(path):
        if path == below:
            raise PermissionError(13, "Permission denied", path)
        return look(path)

    monkeypatch.setattr(os, "scandir", look_unless_shut)  # root may read every folder
    code, out, err = run(pictures, "--format", "jsonl")
    assert code == 1
    assert [Path(json.loads(line)["path"]).name for line in out.splitlines()] == [
        "black.jpg",
        "white.png",
    ]
    refused = f"mien: The folder {below} cannot be read: Permission denied.\n"
    assert err == refused
    assert run(pictures / "white.png", below) == (2, "", refused)


def test_copies_of_thousands_of_pictures_of_one_name_do_not_try_every_number(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(images, "read", lambda _: np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(images, "write", lambda *_: None)
    monkeypatch.setattr(os.path, "lexists", lambda path: tried.append(path))
    folders = [f"people/{number}/img.jpg" for number in range(100)]
    copies = Copies(tmp_path, folders, "en")
    for picture in folders:
        copies.write(picture, [])
    assert [path.name for path in tried] == [
        "img.jpg",
        *(f"img-{number}.jpg" for number in range(2, 101)),
    ]


def test_a_folder_is_searched_with_all_below(run, pictures):
    images.write(pictures / ".hidden" / "x.png", np.zeros((4, 4, 3), np.uint8))
    (pictures / "._black.jpg").write_bytes(b"what some systems leave beside a file")
    code, out, _ = run(pictures, "--format", "json")
    assert code == 0
    assert [record["path"] for record in json.loads(out)] == [
        f"{pictures}/black.jpg",
        f"{pictures}/white.png",
        f"{pictures}/below/white.png",
    ]


@pytest.mark.usefixtures("pictures")
def test_patterns_are_matched_and_pictures_come_once(run):
    _, out, _ = run("**/*.png", "white.png", "black.jpg", "--format", "json")
    assert [record["path"] for record in json.loads(out)] == [
        "below/white.png",
        "white.png",
        "black.jpg",
    ]


def test_brackets_in_a_real_name_are_no_pattern(run, pictures):
    images.write(pictures / "a[1].png", np.zeros((4, 4, 3), np.uint8))
    code, out, _ = run("a[1].png")
    assert code == 0
    assert "a[1].png" in out


@pytest.mark.usefixtures("pictures")
def test_bad_pictures_are_named_and_the_rest_is_done(run):
    code, out, err = run("gone.png", "white.png", "notes.txt", "--format", "json")
    assert code == 1
    assert err.splitlines() == [
        "mien: gone.png does not exist.",
        "mien: notes.txt is not a picture that can be read; expected JPEG, PNG, BMP, WebP, TIFF, GIF or PNM.",
    ]
    gone, white, notes = json.loads(out)
    assert (gone["width"], gone["faces"], gone["error"]) == (None, [], "gone.png does not exist.")
    assert len(white["faces"]) == 1
    assert notes["error"].startswith("notes.txt is not a picture")
    assert "not read" in run("gone.png", "white.png")[1]


@pytest.mark.usefixtures("pictures")
def test_bad_pictures_alone_end_as_the_help_says(run):
    assert run("gone.png", "notes.txt")[0] == 1
    said = " ".join(predict.__doc__.split())
    assert "1: pictures, copies or folders below a folder failed, be it all of them" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["*.bmp"], "mien: No file matches '*.bmp'. Check the pattern, or name the pictures."),
        (["empty"], "mien: The folder empty holds no pictures. Give a picture or another folder."),
        (
            ["white.png", "--labels", "fer31"],
            "mien: The model tiny has no labels 'fer31'. Did you mean fer2013? It has fer2013, ferplus.",
        ),
        (["white.png", "--output", "."], "mien: --output . is a folder. Name a file."),
        (
            ["white.png", "--output", "notes.txt/a.csv"],
            "mien: --output notes.txt/a.csv cannot be written: ",
        ),
        (
            ["white.png", "--output", "white.png"],
            "mien: --output white.png is one of the pictures.",
        ),
        (
            ["white.png", "--annotate", "notes.txt"],
            "mien: --annotate notes.txt is a file. Name a folder.",
        ),
    ],
)
def test_what_cannot_be_done_is_said_on_one_line(run, pictures, arguments, message):
    (pictures / "empty").mkdir()
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.mark.usefixtures("pictures")
def test_an_unknown_detector_ends_with_2(run):
    code, _, err = run("white.png", detector="harr")
    assert code == 2
    assert "Did you mean haar" in err


@pytest.mark.usefixtures("pictures")
def test_an_unknown_model_ends_with_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mien", "predict", "white.png", "--model", "mien-xxl"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("mien: No model is called 'mien-xxl'.")


@pytest.mark.usefixtures("pictures")
def test_an_unknown_format_ends_with_2(run):
    code, _, err = run("white.png", "--format", "xml")
    assert code == 2
    assert "xml" in err


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv"])
def test_output_holds_what_the_screen_would_show(run, pictures, ending):
    _, shown, _ = run("white.png", "--format", ending)
    code, out, _ = run("white.png", "--output", f"found.{ending}")
    assert (code, out) == (0, "")
    assert (pictures / f"found.{ending}").read_text("utf-8") == shown


def test_folders_on_the_way_to_the_output_are_made(run, pictures):
    assert run("white.png", "--output", "new/found.csv")[0] == 0
    assert (pictures / "new" / "found.csv").is_file()


def test_output_with_failures_is_kept_and_ends_with_1(run, pictures):
    code, _, _ = run("white.png", "gone.png", "-o", "found.json")
    assert code == 1
    assert len(json.loads((pictures / "found.json").read_text("utf-8"))) == 2


def test_a_link_to_the_output_stays_a_link(run, pictures):
    (pictures / "link.json").symlink_to("real.json")
    run("white.png", "-o", "link.json")
    assert (pictures / "link.json").is_symlink()
    assert len(json.loads((pictures / "real.json").read_text("utf-8"))) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.usefixtures("pictures")
def test_a_full_device_is_said_on_one_line(run):
    code, _, err = run("white.png", "-o", "/dev/full")
    assert code == 2
    assert err == "mien: --output /dev/full cannot be written: No space left on device.\n"
    assert not Path("/dev/full").is_file()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.usefixtures("pictures")
def test_a_full_screen_file_is_said_on_one_line(tiny_model_path):
    command = [sys.executable, "-c", "from mien.cli import main; main()", "predict", "white.png"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*command, "--model", tiny_model_path],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "mien: The standard output cannot be written: No space left on device.\n"


def test_a_full_disk_leaves_no_half_file_and_the_old_one(run, pictures):
    (pictures / "found.csv").write_text("old")
    for number in range(40):
        images.write(pictures / "many" / f"{number}.png", np.zeros((4, 4), np.uint8))
    before = sorted(path.name for path in pictures.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Stands for a disk with so little room.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        code, _, err = run("many", "-o", "found.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 2
    assert err == "mien: --output found.csv cannot be written: File too large.\n"
    assert (pictures / "found.csv").read_text() == "old"
    assert sorted(path.name for path in pictures.iterdir()) == before


def test_annotated_copies_keep_their_kind_and_never_their_names_twice(run, pictures):
    code, _, _ = run(".", "--annotate", "copies")
    assert code == 0
    assert sorted(path.name for path in (pictures / "copies").iterdir()) == [
        "black.jpg",
        "white-2.png",
        "white.png",
    ]
    assert images.read(pictures / "copies" / "white.png").shape == (4, 6, 3)


@pytest.mark.parametrize("folder", ["copies", "."])
@pytest.mark.parametrize("path", [".", "**/*.*g"])
def test_annotated_copies_are_not_taken_for_pictures_and_are_written_anew(
    run, pictures, path, folder
):
    _, first, error = run(path, "--annotate", folder, "--format", "json")
    assert error == ""
    there = sorted(pictures.rglob("*.*g"))
    assert len(there) == 6
    for _ in range(2):
        code, again, error = run(path, "--annotate", folder, "--format", "json")
        assert (code, again) == (0, first)
        assert error == "mien: Passed over 3 annotated copies of mien's own.\n"
        assert sorted(pictures.rglob("*.*g")) == there


def test_annotated_copies_alone_are_what_was_meant_and_stay(run, pictures):
    run("white.png", "--annotate", "copies")
    before = (pictures / "copies" / "white.png").read_bytes()
    code, out, error = run("copies", "--annotate", "copies", "--format", "json")
    assert (code, len(json.loads(out)), error) == (0, 1, "")
    assert (pictures / "copies" / "white.png").read_bytes() == before


def test_annotated_copies_never_replace_a_picture(run, pictures):
    before = (pictures / "white.png").read_bytes()
    run("white.png", "--annotate", ".")
    assert (pictures / "white.png").read_bytes() == before
    assert (pictures / "white-2.png").is_file()


@pytest.mark.parametrize(("picture", "other"), [("white.png", "white-2.png"), ("a.webp", "a.png")])
@pytest.mark.parametrize("folder", ["beside", "elsewhere"])
def test_annotated_copies_replace_nothing_but_copies(run, pictures, picture, other, folder):
    """Neither a picture that was given nor any other file there: cameras use names again and again."""
    images.write(pictures / picture, np.full((4, 6, 3), 255, np.uint8))
    place = pictures if folder == "beside" else pictures / folder
    place.mkdir(exist_ok=True)
    (place / other).write_text("an unrelated photo")
    (place / "white.png").touch()
    before = {path.name for path in place.iterdir()}
    copies = set()
    for _ in range(2):
        code, _, error = run(pictures / picture, "--annotate", place)
        assert (code, error) == (0, "")
        copies |= {path.name for path in place.iterdir()} - before
    assert (place / other).read_text() == "an unrelated photo"
    assert len(copies) == 1


def test_a_photo_in_the_folder_for_copies_is_read_and_stays(run, pictures):
    """That folder lies below the one that is searched, and holds a photo with the name of another."""
    photo = (pictures / "below" / "white.png").read_bytes()
    code, out, _ = run(".", "--annotate", "below", "--format", "json")
    assert (code, len(json.loads(out))) == (0, 3)
    assert (pictures / "below" / "white.png").read_bytes() == photo
    copies = [path.name for path in (pictures / "below").iterdir() if is_copy(path)]
    assert sorted(copies) == ["black.jpg", "white-2.png", "white-3.png"]


@pytest.mark.parametrize("name", ["gone.png", "below", "a\0b", "a" * 300 + ".png"])
def test_what_is_no_file_is_no_copy(pictures, name):
    assert not is_copy(f"{pictures}/{name}")


@pytest.mark.usefixtures("pictures")
def test_a_missing_picture_in_the_folder_for_copies_is_one_failed_picture(run):
    code, _, error = run("copies/gone.jpg", "white.png", "--annotate", "copies")
    assert (code, error) == (1, "mien: copies/gone.jpg does not exist.\n")


@pytest.mark.usefixtures("pictures")
def test_a_name_that_is_too_long_is_one_failed_picture(run):
    long = "a" * 300 + ".jpg"
    code, out, error = run(long, "white.png", "--format", "jsonl")
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"mien: {long} cannot be read: File name too long")
    failed, read = map(json.loads, out.splitlines())
    assert (failed["path"], read["error"]) == (long, None)
    assert run("b" * 300 + "*.jpg")[0] == 2


@pytest.mark.parametrize(
    "address", ["http://photos.example/x.jpg", "https://e.example/x.jpg?size=2"]
)
@pytest.mark.usefixtures("pictures")
def test_pictures_on_the_web_are_not_fetched(run, address):
    code, _, error = run(address, "white.png")
    assert code == 1
    assert error == (
        f"mien: {address} is on the web, and pictures are not fetched from there. Download it first.\n"
    )


def test_pictures_of_kinds_that_are_not_read_are_counted(run, pictures):
    for name in ("a.HEIC", "b.heic", "below/c.avif", ".d.heic"):
        (pictures / name).write_bytes(b"not read")
    code, out, error = run(".", "--format", "jsonl")
    assert (code, len(out.splitlines())) == (0, 3)
    assert error == (
        "mien: Passed over 3 pictures of kinds that are not read (.avif, .heic). Save them as JPEG or PNG.\n"
    )


def test_a_folder_of_such_kinds_only_says_so(run, pictures):
    (pictures / "photos").mkdir()
    (pictures / "photos" / "a.heic").write_bytes(b"not read")
    code, _, error = run("photos")
    assert code == 2
    assert error == (
        "mien: Found only 1 picture of kinds that are not read (.heic). Save them as JPEG or PNG.\n"
    )


@pytest.mark.parametrize("order", [1, -1])
def test_a_folder_without_pictures_is_said_whatever_else_was_passed_over(run, pictures, order):
    for folder in ("photos", "empty"):
        (pictures / folder).mkdir()
    (pictures / "photos" / "a.heic").write_bytes(b"not read")
    code, _, error = run(*["photos", "empty"][::order])
    assert code == 2
    assert error.startswith("mien: The folder empty holds no pictures.")


@pytest.mark.usefixtures("pictures")
def test_the_side_that_pictures_are_searched_at_can_be_chosen(run, monkeypatch):
    asked = []
    monkeypatch.setattr(
        Recognizer, "predict_many", lambda _self, *given: asked.append(given[-1]) or iter(())
    )
    run("white.png")
    run("white.png", "--search-px", 3000)
    assert asked == [None, 3000]
    assert run("white.png", "--search-px", 63)[0] == 2


def test_a_picture_as_thin_as_a_thread_does_not_end_the_others(run, pictures):
    images.write(pictures / "thin.png", np.zeros((1, 50_000, 3), np.uint8))
    code, out, _ = run("thin.png", "white.png", "--format", "jsonl", detector="haar")
    assert (code, [json.loads(line)["error"] for line in out.splitlines()]) == (0, [None, None])


@pytest.mark.usefixtures("pictures")
def test_an_empty_path_is_not_this_folder(run):
    code, out, err = run("white.png", "")
    assert (code, out) == (2, "")
    assert err == "mien: One of the paths is empty. Give a picture, a folder or a pattern.\n"


def test_a_copy_that_cannot_be_written_is_named_and_the_rest_is_done(run, pictures):
    long = "a" * 251 + ".png"  # with -2, too long
    (pictures / "black.jpg").rename(pictures / long)
    code, out, err = run(long, "white.png", "--annotate", ".", "--format", "json")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"mien: {'a' * 251}-2.png cannot be written: ")
    assert [one["error"] for one in json.loads(out)] == [None, None]
    assert (pictures / "white-2.png").is_file()


def test_faces_are_framed_on_the_copy(run, tmp_path):
    scene, _ = draw_scene(["happiness"], seed=3, width_px=160, height_px=160)
    images.write(tmp_path / "scene.png", scene)
    run(tmp_path / "scene.png", "--annotate", tmp_path / "copies", detector="haar")
    changed = (images.read(tmp_path / "copies" / "scene.png") != scene).any(axis=2)
    assert 100 < changed.sum() < changed.size / 2


def test_names_that_are_no_text_come_through(run, pictures):
    name = os.fsdecode(b"caf\xe9.png")
    images.write(pictures / "a.png", np.zeros((4, 4, 3), np.uint8))
    (pictures / "a.png").rename(pictures / name)
    code, out, _ = run(name, "--format", "json")
    assert code == 0
    assert json.loads(out)[0]["path"] == name
    assert run(name)[0] == 0


def test_names_cannot_move_the_cursor(run, pictures):
    images.write(pictures / "a\x1b[2Jb\n.png", np.zeros((4, 4, 3), np.uint8))
    _, out, _ = run("a\x1b[2Jb\n.png")
    assert "\x1b" not in out
    assert "a\ufffd[2Jb\ufffd.png" in out
    _, _, err = run("gone\x1b\n.png")
    assert err == "mien: gone\ufffd\ufffd.png does not exist.\n"


@pytest.mark.usefixtures("pictures")
def test_a_bar_is_shown_to_people_only(run, monkeypatch):
    assert run("white.png", "black.jpg")[2] == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "Pictures" in run("white.png", "black.jpg", "--format", "json")[2]


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nsys.argv = ['mien', 'predict', '--help']\nfrom mien.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'cv2', 'numpy', 'onnxruntime', 'PIL', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_predicting_never_loads_torch(tiny_model_path):
    code = (
        "import sys\nfrom mien.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'onnx', 'matplotlib', 'mien.data'} & set(sys.modules)))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "predict",
        "white.png",
        "--model",
        tiny_model_path,
        "--annotate",
        "copies",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.usefixtures("pictures")
def test_auto_says_which_detector_it_took_below_the_table(run):
    _, out, _ = run("white.png", detector="auto")
    assert out.splitlines()[-2:] == ["", "Faces were looked for by haar."]
    _, out, _ = run("white.png", "--format", "csv", detector="auto")
    assert "haar" not in out


@pytest.mark.usefixtures("pictures")
def test_yunet_without_its_file_is_one_line_with_the_remedy(run):
    code, out, err = run("white.png", detector="yunet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("mien: YuNet's file is not at ")
    assert "Fetch it once: mien fetch yunet." in err
    assert "--detector-file FILE or MIEN_YUNET=FILE" in err


@pytest.mark.usefixtures("pictures")
def test_another_file_is_not_taken_for_yunet_s(run):
    code, _, err = run("white.png", "--detector-file", "black.jpg", detector="auto")
    assert code == 2
    assert "black.jpg is not face_detection_yunet_2023mar.onnx: its SHA-256 is" in err


@pytest.mark.usefixtures("pictures")
def test_yunet_s_file_can_be_named(run, yunet_file):
    code, out, _ = run("white.png", "--detector-file", yunet_file, detector="auto")
    assert code == 0
    assert out.splitlines()[-1] == "Faces were looked for by yunet."


def test_a_link_to_itself_is_one_failed_picture(run, pictures, tmp_path):
    (pictures / "loop.jpg").symlink_to("loop.jpg")
    out = tmp_path / "o.jsonl"
    code, _, error = run("loop.jpg", "white.png", "--format", "jsonl", "--output", out)
    assert code == 1
    assert "loop.jpg" in error
    failed, read = map(json.loads, out.read_text().splitlines())
    assert failed["error"]
    assert read["error"] is None


@pytest.mark.usefixtures("_not_under_nohup")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_leaves_nothing_half_written(
    pictures, tiny_model_path, tmp_path, name
):
    """As `kill` does, in the middle of writing."""
    program = (
        "import os, signal\n"
        "import mien.cli.predict as command\n"
        "from mien.cli import main\n"
        f"command._write = lambda *_: os.kill(os.getpid(), signal.{name})\n"
        "main()\n"
    )
    (tmp_path / "out").mkdir()
    words = ["predict", "white.png", "--model", str(tiny_model_path), "--detector", "none"]
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--output", str(tmp_path / "out" / "o.json")],
        capture_output=True,
        text=True,
        cwd=pictures,
    )
    assert done.returncode == 128 + getattr(signal, name), done.stderr
    assert not list((tmp_path / "out").iterdir())
