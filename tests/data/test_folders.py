"""Image folders: labels from folder names, splits from the folders above, pictures of any kind."""

import os

import numpy as np
import PIL.Image
import pytest

from mien.data import folders, open_dataset
from mien.data.classes import USAGES
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS


def test_labels_are_in_fer2013_order_and_not_in_alphabetical_order(tmp_path, write_folders, drawn):
    dataset = folders.read(write_folders(tmp_path), 48)
    assert dataset.label_names == FER2013.labels
    for image, label, split, name in zip(
        dataset.images, dataset.labels, dataset.split, dataset.names, strict=True
    ):
        row = int(name[-7:-4])
        np.testing.assert_array_equal(image, drawn.images[row])
        assert label == drawn.labels[row]
        assert split == drawn.split[row]


@pytest.mark.parametrize("valid", ["val", "validation", "Valid"])
def test_other_spellings_mean_the_same(tmp_path, write_folders, valid):
    names = ("Anger", "disgusted", "FEAR", "happiness", "sadness", "Surprised", "neutral")
    dataset = folders.read(write_folders(tmp_path, names, ("Training", valid, "test")), 48)
    assert dataset.label_names == FER2013.labels
    assert np.bincount(dataset.labels).tolist() == [6, 6, 6, 6, 6, 5, 5]
    assert np.unique(dataset.split).tolist() == [0, 1, 2]


def test_the_eight_of_ferplus_are_in_their_order(tmp_path, write_folders):
    for name in FERPLUS.labels:
        (tmp_path / "train" / name).mkdir(parents=True)
    names = [FERPLUS.labels[place] for place in (4, 5, 6, 1, 3, 2, 0)]
    assert folders.read(write_folders(tmp_path, names), 48).label_names == FERPLUS.labels


def test_own_labels_are_in_the_order_of_their_names(tmp_path, write_folders):
    names = ("zest", "awe", "calm", "doubt", "elan", "fun", "gloom")
    dataset = folders.read(write_folders(tmp_path, names), 48)
    assert dataset.label_names == tuple(sorted(names))
    first = dataset.names[dataset.labels == len(names) - 1][0]
    assert first.startswith("train/zest/")


def test_labels_are_text_where_the_names_of_folders_are_none(tmp_path, write_folders):
    names = ("zest", "awe", "calm", "doubt", "elan", "fun", os.fsdecode("기쁨".encode("euc-kr")))
    dataset = folders.read(write_folders(tmp_path, names), 48)
    expected = (r"\udcb1\udce2\udcbb\udcdd", "awe", "calm", "doubt", "elan", "fun", "zest")
    assert dataset.label_names == expected
    assert np.bincount(dataset.labels).min() > 0


def test_pictures_of_any_size_and_colour_become_grey_faces(tmp_path):
    folder = tmp_path / "train" / "happy"
    folder.mkdir(parents=True)
    PIL.Image.new("RGB", (90, 120), (255, 0, 0)).save(folder / "a.png")
    PIL.Image.new("L", (20, 20), 200).save(folder / "b.bmp")
    (folder / ".hidden.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    dataset = folders.read(tmp_path, 32)
    assert dataset.images.shape == (2, 32, 32)
    assert np.unique(dataset.images[0]).tolist() == [76]  # 0.299 of 255: the weight of red in grey
    assert np.unique(dataset.images[1]).tolist() == [200]


def test_a_damaged_picture_is_named(tmp_path, write_folders):
    write_folders(tmp_path)
    bad = tmp_path / "train" / "happy" / "zzz.png"
    bad.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"happy/zzz\.png is empty \(0 bytes\)\. Replace or remove it\."
    ):
        folders.read(tmp_path, 48)


def test_two_folders_for_one_split_are_refused(tmp_path, write_folders):
    write_folders(tmp_path, splits=("train", "val", "validation"))
    with pytest.raises(DataError, match="several folders for one split: train, val, validation"):
        folders.read(tmp_path, 48)


def test_folders_of_labels_alone_are_for_training_and_that_is_said(tmp_path, write_folders, drawn):
    whole = folders.read(write_folders(tmp_path / "whole", splits=("train", "val", "test")), 48)
    for split in ("train", "val", "test"):
        for file in (tmp_path / "whole" / split).glob("*/*.png"):
            (tmp_path / "flat" / file.parent.name).mkdir(parents=True, exist_ok=True)
            file.rename(tmp_path / "flat" / file.parent.name / file.name)
    (tmp_path / "flat" / "notes").mkdir()  # without pictures it is no label
    flat = folders.read(tmp_path / "flat", 48)
    assert flat.label_names == FER2013.labels
    assert np.unique(flat.split).tolist() == [0]
    assert np.bincount(flat.labels).tolist() == np.bincount(whole.labels).tolist()
    row = flat.names.tolist().index(f"{FER2013.labels[drawn.labels[3]]}/003.png")
    np.testing.assert_array_equal(flat.images[row], drawn.images[3])
    unsplit, *others = folders.notes(tmp_path / "flat")
    assert "all pictures are for training" in unsplit
    assert others == ["Folders without pictures: notes."]


def test_an_album_and_ferplus_without_its_votes_are_no_folders_of_labels(tmp_path):
    for name in ("holiday", "FER2013Train", "FER2013Test"):
        (tmp_path / name).mkdir()
        PIL.Image.new("L", (20, 20), 200).save(tmp_path / name / "a.png")
    assert folders.find_files(tmp_path) == ()


def test_folders_without_pictures_are_no_data_set(tmp_path):
    (tmp_path / "train" / "happy").mkdir(parents=True)
    assert folders.find_files(tmp_path) == ()
    assert folders.find_files(tmp_path / "missing") == ()


def test_folders_of_one_meaning_are_one_label_and_that_is_said(tmp_path):
    for row, label in enumerate(("train/HAPPY", "test/happy", "train/happiness", "train/Bored")):
        (tmp_path / label).mkdir(parents=True)
        PIL.Image.new("L", (48, 48), row).save(tmp_path / label / "0.png")
    dataset = folders.read(tmp_path, 48)
    assert dataset.label_names == ("Bored", "happy")
    assert {
        name: dataset.label_names[code]
        for name, code in zip(dataset.names, dataset.labels, strict=True)
    } == {
        "train/Bored/0.png": "Bored",
        "train/HAPPY/0.png": "happy",
        "train/happiness/0.png": "happy",
        "test/happy/0.png": "happy",
    }
    assert folders.notes(tmp_path) == (
        "Folders of one meaning are one label: HAPPY is happy, happiness is happy.",
    )


def test_pictures_further_below_are_left_out_and_that_is_said(tmp_path, write_folders):
    write_folders(tmp_path)
    (tmp_path / "train/happy/person0").mkdir()
    for number in range(2):
        PIL.Image.new("L", (48, 48)).save(tmp_path / "train/happy/person0" / f"{number}.png")
    (note,) = folders.notes(tmp_path)
    assert note == (
        "2 pictures lie in folders below those of labels and are left out: train/happy/person0 (2). "
        "Move them up to be read."
    )


def test_pictures_beside_the_folders_of_labels_are_left_out_and_that_is_said(
    tmp_path, write_folders, drawn
):
    write_folders(tmp_path)
    PIL.Image.new("L", (48, 48)).save(tmp_path / "test/0.png")
    PIL.Image.new("L", (48, 48)).save(tmp_path / "preview.png")  # of all: no face of a split
    assert len(folders.read(tmp_path, 48)) == len(drawn)
    assert folders.notes(tmp_path) == (
        "Pictures beside the folders of labels have no label and are left out: test (1). Move them into one to be read.",
    )
    *_, unsplit = folders.notes(tmp_path / "test")
    assert "are left out: test (1). Move" in unsplit


def test_folders_may_be_called_as_fer2013_calls_its_splits(tmp_path, write_folders, drawn):
    dataset = folders.read(write_folders(tmp_path, splits=USAGES), 48)
    assert np.bincount(dataset.split).tolist() == np.bincount(drawn.split).tolist()
    assert folders.notes(tmp_path) == ()


def test_folders_of_pictures_that_are_no_split_are_left_out_and_that_is_said(
    tmp_path, write_folders, drawn
):
    write_folders(tmp_path)
    for name in ("more/happy", "previews", "notes"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("more/happy/0.png", "more/1.png", "previews/0.png"):
        PIL.Image.new("L", (48, 48)).save(tmp_path / name)
    assert len(folders.read(tmp_path, 48)) == len(drawn)
    (note,) = folders.notes(tmp_path)
    assert note == (
        "Folders of pictures that are called like no split are left out: more (2), previews (1)."
    )


def test_a_label_without_pictures_in_a_split_is_said(tmp_path, write_folders):
    write_folders(tmp_path)
    for file in (tmp_path / "test/fear").iterdir():
        file.unlink()
    assert folders.read(tmp_path, 48).label_names == FER2013.labels
    assert folders.notes(tmp_path) == ("Folders without pictures: test/fear.",)


def test_pictures_of_kinds_that_are_not_read_are_said(tmp_path, write_folders):
    write_folders(tmp_path)
    for name in (
        "train/happy/a.HEIC",
        "train/happy/b.avif",
        "test/fear/c.heic",
        "test/fear/.d.heic",
    ):
        (tmp_path / name).touch()
    (tmp_path / "train/happy/list.txt").touch()
    assert folders.notes(tmp_path) == (
        "Pictures of kinds that are not read are left out: .avif (1), .heic (2). Save them as JPEG or PNG.",
    )


def test_a_locked_folder_anywhere_is_named(tmp_path, write_folders):
    write_folders(tmp_path)
    locked = tmp_path / "train/happy/locked"
    locked.mkdir(mode=0o000)
    if os.access(locked, os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(DataError, match=f"{locked} cannot be read: Permission denied"):
        open_dataset(tmp_path)


def test_links_that_lead_nowhere_are_no_folders(tmp_path, write_folders):
    write_folders(tmp_path)
    without = folders.read(tmp_path, 48)
    for name in ("train/itself", "train/happy/itself", "itself"):
        (tmp_path / name).symlink_to("itself")
    assert folders.read(tmp_path, 48).content_hash == without.content_hash
    assert folders.notes(tmp_path) == ()


def test_what_is_known_of_empty_folders_is_never_stale(tmp_path, write_folders):
    write_folders(tmp_path)
    without = open_dataset(tmp_path)
    (tmp_path / "train/contempt").mkdir()
    with_empty = open_dataset(tmp_path)
    # One more makes them these eight, in another order.
    assert with_empty.label_names == FERPLUS.labels
    assert "Folders without pictures: train/contempt." in with_empty.notes
    (tmp_path / "train/contempt").rmdir()
    after = open_dataset(tmp_path)
    assert after.content_hash == without.content_hash
    assert after.notes == without.notes
