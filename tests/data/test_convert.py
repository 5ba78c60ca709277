"""Layouts written: every one read back, what it carries and what it says that it does not."""

import os
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pytest

from mien.data import open_dataset
from mien.data.convert import label_by_majority, losses, write_dataset
from mien.data.ferplus import majority
from mien.data.synthetic import draw_faces
from mien.data.writers import picture_names
from mien.errors import DataError, InputError, UnknownNameError
from mien.labels import FER2013, FERPLUS

pytest.importorskip("pyarrow")


@pytest.fixture
def source(drawn):
    """Drawn faces named as FER+ names them; row 3 has none, and two have the same."""
    names = [f"fer{row:07}.png" for row in range(len(drawn))]
    names[2], names[7] = "row 3", names[6]
    return replace(drawn, names=np.array(names, str))


def same_rows(first, second, fields=("images", "labels", "split", "votes")):
    """Whether two data sets hold the same rows, in whatever order."""

    def keys(dataset):
        values = [getattr(dataset, field) for field in fields]
        return sorted(
            b"|".join(np.asarray(one[row]).tobytes() for one in values)
            for row in range(len(dataset))
        )

    return keys(first) == keys(second)


@pytest.mark.parametrize("layout", ["csv", "parquet"])
def test_rows_come_back_as_they_were(source, tmp_path, layout):
    if layout == "parquet":
        source = source.take(np.argsort(source.split, kind="stable"))
    assert write_dataset(source, tmp_path / "out", layout) == ()
    back = open_dataset(tmp_path / "out")
    assert back.layout == layout
    assert back.content_hash == source.content_hash
    assert back.names.tolist() == source.names.tolist()


def test_folders_carry_pictures_labels_and_names(source, tmp_path):
    says = write_dataset(source, tmp_path / "out", "folders")
    back = open_dataset(tmp_path / "out")
    assert back.layout == "folders"
    assert back.label_names == source.label_names
    assert same_rows(source, back, ("images", "labels", "split"))
    assert says == (
        "The FER+ votes are not in it: folders hold one label a picture.",
        "1 pictures without a name are called by their row.",
        "Rows come back in the order of the file names.",
    )
    stems = {PurePosixPath(name).stem for name in back.names.tolist()}
    assert {"fer0000000", "row0000003"} <= stems


def test_ferplus_carries_pictures_votes_and_names(source, tmp_path):
    says = write_dataset(source, tmp_path / "out", "ferplus")
    back = open_dataset(tmp_path / "out")
    assert back.layout == "ferplus"
    assert same_rows(source, back, ("images", "votes", "split"))
    assert (back.labels == -1).all()
    assert {"fer0000006.png", "fer0000006-1.png", "row0000003.png"} <= set(back.names.tolist())
    assert says == (
        f"The labels ({', '.join(FER2013.labels)}) are not in it: only votes are.",
        "1 pictures without a name are called by their row.",
        "1 names were changed, as they stood there already or belong to no file that is found again.",
        "Rows come back in the order of the file names.",
    )


@pytest.mark.parametrize("first", ["csv", "folders", "parquet"])
@pytest.mark.parametrize("second", ["csv", "folders", "parquet"])
def test_a_detour_over_any_layout_keeps_pictures_labels_and_splits(source, tmp_path, first, second):
    write_dataset(source, tmp_path / "one", first)
    write_dataset(open_dataset(tmp_path / "one"), tmp_path / "two", second)
    assert same_rows(source, open_dataset(tmp_path / "two"), ("images", "labels", "split"))


@pytest.mark.parametrize("way", ["csv", "parquet"])
def test_a_detour_keeps_votes(source, tmp_path, way):
    write_dataset(source, tmp_path / "one", "ferplus")
    pictures = open_dataset(tmp_path / "one")
    if way == "csv":  # which needs labels
        pictures = replace(pictures, labels=np.zeros(len(pictures), np.int64))
    write_dataset(pictures, tmp_path / "two", way)
    write_dataset(open_dataset(tmp_path / "two"), tmp_path / "three", "ferplus")
    back = open_dataset(tmp_path / "three")
    assert same_rows(source, back, ("images", "votes", "split"))
    assert set(back.names.tolist()) == set(open_dataset(tmp_path / "one").names.tolist())


@pytest.mark.parametrize("layout", ["csv", "folders", "parquet"])
def test_a_file_name_that_is_no_utf8_goes_into_every_layout(source, tmp_path, layout):
    source.names[0] = "bad\udcff.png"
    write_dataset(source, tmp_path / "out", layout)
    assert len(open_dataset(tmp_path / "out")) == len(source)


@pytest.mark.parametrize("layout", ["csv", "folders", "parquet"])
def test_a_folder_whose_name_is_no_text_holds_every_layout(source, tmp_path, layout):
    folder = tmp_path / os.fsdecode("얼굴".encode("euc-kr"))
    write_dataset(source, folder, layout)
    back = open_dataset(folder, use_cache=False)
    assert same_rows(source, back, ("images", "labels", "split"))


def test_unlabelled_pictures_stay_so_in_parquet(source, tmp_path):
    labels = source.labels.copy()
    labels[4] = -1
    write_dataset(replace(source, labels=labels), tmp_path / "out", "parquet")
    assert same_rows(replace(source, labels=labels), open_dataset(tmp_path / "out"))


def test_own_labels_and_sizes_go_into_parquet_and_folders(tmp_path):
    names = ("zeal", "awe")
    dataset = replace(
        draw_faces(6, seed=0, size=20),
        labels=np.array([0, 1, 0, 1, 1, 0]),
        label_names=names,
        votes=None,
        names=None,
    )
    write_dataset(dataset, tmp_path / "parquet", "parquet")
    back = open_dataset(tmp_path / "parquet", size=20)
    assert back.label_names == names
    assert back.content_hash == dataset.content_hash
    says = write_dataset(dataset, tmp_path / "folders", "folders")
    assert "Labels come back in alphabetical order." in says
    back = open_dataset(tmp_path / "folders", size=20)
    assert back.label_names == ("awe", "zeal")
    assert same_rows(
        replace(dataset, labels=1 - dataset.labels), back, ("images", "labels", "split")
    )


@pytest.mark.parametrize("layout", ["folders", "ferplus"])
def test_names_that_no_reader_finds_are_changed_and_that_is_said(drawn, tmp_path, layout):
    given = [".hidden.png", "..", " a.png", "b\0c.png"]
    faces = replace(drawn.take(np.arange(4)), names=np.array(given, str))
    says = write_dataset(faces, tmp_path / "out", layout)
    assert "4 names were changed, as they stood there already or belong to no file" in says[1]
    read = open_dataset(tmp_path / "out", use_cache=False)
    names = [PurePosixPath(name).name for name in read.names]
    assert sorted(names) == ["a.png", "bc.png", "hidden.png", "row0000002.png"]
    carried = ("images", "labels") if layout == "folders" else ("images", "votes")
    assert same_rows(read, faces, carried)


@pytest.mark.parametrize("layout", ["folders", "ferplus"])
def test_names_that_some_file_systems_take_for_one_are_told_apart(drawn, layout):
    """macOS and Windows write Ann.png over ann.png, and é as one letter over é as two."""
    names = ["ann.png", "Ann.png", "\u00e9.png", "e\u0301.png"]
    four = replace(drawn.take(np.zeros(4, np.intp)), names=np.array(names))
    stems = [PurePosixPath(path).stem for path in picture_names(four, layout)]
    assert stems == ["ann", "Ann-1", "\u00e9", "e\u0301-1"]


def test_a_class_without_a_picture_stays_a_class(drawn, tmp_path):
    write_dataset(drawn.take(np.flatnonzero(drawn.labels != 1)), tmp_path / "out", "folders")
    assert open_dataset(tmp_path / "out").label_names == FER2013.labels


def test_losses_name_what_a_csv_without_votes_forgets(drawn):
    assert losses(replace(drawn, votes=None), "csv") == (
        "The names of the pictures are not in it: the CSV has no column for them.",
    )
    assert losses(drawn, "parquet") == ("Rows come back split by split: each is a file.",)


def test_labels_can_be_taken_from_the_votes(drawn):
    winners = majority(drawn.votes)
    labelled, left_out = label_by_majority(drawn, FERPLUS)
    assert left_out == (winners < 0).sum()
    assert np.array_equal(labelled.labels, winners[winners >= 0])
    labelled, left_out = label_by_majority(drawn, FER2013)
    contempt = FERPLUS.labels.index("contempt")
    kept = (winners >= 0) & (winners != contempt)
    assert left_out == len(drawn) - kept.sum() > 0
    assert [FER2013.labels[label] for label in labelled.labels[:3]] == [
        {"anger": "angry", "happiness": "happy", "sadness": "sad"}.get(name, name)
        for name in (FERPLUS.labels[winner] for winner in winners[kept][:3])
    ]
    with pytest.raises(DataError, match="no FER\\+ votes to take labels from"):
        label_by_majority(replace(drawn, votes=None), FERPLUS)


def unlabelled(drawn, **changed):
    labels = drawn.labels.copy()
    labels[:3] = -1
    return replace(drawn, labels=labels, **changed)


@pytest.mark.parametrize(
    ("change", "layout", "words"),
    [
        (
            unlabelled,
            "csv",
            r"A row of the CSV needs a label; 3 of 40 have none. Take labels from the votes",
        ),
        (
            lambda d: unlabelled(d, votes=None),
            "folders",
            r"needs a label; 3 of 40 have none. Convert to parquet",
        ),
        (
            lambda d: replace(d, votes=None),
            "ferplus",
            r"no FER\+ votes, and the layout ferplus holds nothing else",
        ),
        (
            lambda _: draw_faces(5, seed=0, size=32),
            "csv",
            r"48 × 48 px; these are 32 × 32. Take --size 48",
        ),
        (
            lambda d: replace(d, label_names=tuple("abcdefg")),
            "csv",
            r"knows FER2013's labels only .* has a, b, c",
        ),
        (
            lambda d: replace(d, label_names=("a/b", *"bcdefg")),
            "folders",
            r"'a/b' cannot be the name of a folder",
        ),
        (
            lambda d: replace(d, label_names=("joy", "sad", "Happy", *"abcd")),
            "folders",
            "are one label, as these would be: joy, Happy. Convert to parquet",
        ),
        (
            lambda d: replace(d, label_names=("a", *"abcdef")),
            "folders",
            "as these would be: a, a. Conv",
        ),
        (lambda d: d.take(np.arange(0)), "parquet", "There are no rows to write"),
    ],
)
def test_what_a_layout_has_no_room_for_is_refused_before_anything_is_written(
    drawn, tmp_path, change, layout, words
):
    with pytest.raises(DataError, match=words):
        write_dataset(change(drawn), tmp_path / "out", layout)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_layout_and_a_full_folder_are_refused(drawn, tmp_path):
    with pytest.raises(UnknownNameError, match=r"No layout is called 'cvs'. Did you mean csv"):
        write_dataset(drawn, tmp_path / "out", "cvs")
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="is not empty; nothing is overwritten"):
        write_dataset(drawn, tmp_path, "csv")
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
@pytest.mark.realdata
def test_the_real_fer2013_comes_back_from_the_csv_with_the_same_content(fer2013_path, tmp_path):
    dataset = open_dataset(fer2013_path)
    rows = np.r_[0:300, len(dataset) - 300 : len(dataset)]
    dataset = dataset.take(rows)
    write_dataset(dataset, tmp_path / "out", "csv")
    assert open_dataset(tmp_path / "out").content_hash == dataset.content_hash
