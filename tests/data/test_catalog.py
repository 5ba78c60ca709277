"""Opening a path: which layout it has, and one line when it has none."""

import numpy as np
import pytest

from mien.data import catalog, open_dataset
from mien.data.catalog import LAYOUTS
from mien.data.synthetic import draw_faces
from mien.errors import DataError, InputError


@pytest.fixture(params=["csv", "parquet", "ferplus", "folders", "synthetic"])
def any_layout(
    request, tmp_path, write_csv, write_votes, write_folders, write_parquet, monkeypatch
):
    """The drawn faces in each layout in turn."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "set"
    match request.param:
        case "csv":
            write_csv(place / "fer2013.csv")
        case "parquet":
            for split in range(3):
                write_parquet(place / f"{('train', 'valid', 'test')[split]}.parquet", split)
        case "ferplus":
            write_folders(place, splits=("FER2013Train", "FER2013Valid", "FER2013Test"))
            for picture in place.glob("*/*/*.png"):
                picture.rename(picture.parent.parent / f"fer{int(picture.stem):07}.png")
            write_votes(place / "fer2013new.csv")
        case "folders":
            write_folders(place)
        case "synthetic":
            place = tmp_path.joinpath("synthetic:40").relative_to(tmp_path)
    return request.param, place


def test_every_layout_keeps_the_contract(any_layout):
    name, path = any_layout
    dataset = open_dataset(path)
    assert dataset.layout == name
    assert dataset.images.dtype == np.uint8
    assert dataset.images.shape == (40, 48, 48)
    assert dataset.labels.dtype == np.int64
    assert dataset.split.dtype == np.uint8
    assert len(dataset.label_names) == 7
    assert np.unique(dataset.split).tolist() == [0, 1, 2]
    assert dataset.names is None or dataset.names.dtype.kind == "U"
    if name == "ferplus":
        assert (dataset.labels == -1).all()
    else:
        assert np.bincount(dataset.labels).tolist() == [6, 6, 6, 6, 6, 5, 5]
    rows = [dataset.rows(split) for split in ("train", "valid", "test")]
    assert sorted(np.concatenate(rows).tolist()) == list(range(40))


def test_a_file_may_be_given_itself(tmp_path, write_csv, write_parquet):
    assert open_dataset(write_csv(tmp_path / "faces.csv")).layout == "csv"
    assert open_dataset(write_parquet(tmp_path / "faces.parquet", 0)).layout == "parquet"


def test_of_several_layouts_the_first_is_read_and_the_others_are_said(
    tmp_path, write_csv, write_folders
):
    write_csv(tmp_path / "fer2013.csv")
    write_folders(tmp_path)
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "csv"
    assert dataset.notes[-1].startswith("Also here and not read: train/<label>/*.jpg")


@pytest.mark.parametrize(("word", "num"), [("synthetic", 2000), ("synthetic:7", 7)])
def test_the_word_synthetic_draws_faces(word, num, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        catalog.synthetic, "draw_faces", lambda num, seed, size: draw_faces(min(num, 9), seed, size)
    )
    dataset = open_dataset(tmp_path.joinpath(word).relative_to(tmp_path), size=32)
    assert dataset.layout == "synthetic"
    assert dataset.images.shape == (min(num, 9), 32, 32)


def test_a_folder_called_synthetic_comes_first(tmp_path, write_csv, monkeypatch):
    write_csv(tmp_path / "synthetic" / "fer2013.csv")
    monkeypatch.chdir(tmp_path)
    assert open_dataset((tmp_path / "synthetic").relative_to(tmp_path)).layout == "csv"


def test_a_missing_path_lists_the_layouts(tmp_path):
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path / "nowhere")
    message = str(error.value)
    assert f"{tmp_path / 'nowhere'} does not exist. Expected " in message
    assert all(layout.summary in message for layout in LAYOUTS)
    assert "or the word synthetic" in message
    assert "\n" not in message


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(DataError, match=r"is empty\. Expected fer2013\.csv"):
        open_dataset(tmp_path)


def test_an_unknown_layout_says_so(tmp_path):
    (tmp_path / "readme.txt").write_text("no faces")
    with pytest.raises(DataError, match=r"has no layout that can be read\. Expected fer2013\.csv"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match=r"readme\.txt has no layout that can be read"):
        open_dataset(tmp_path / "readme.txt")


def test_what_is_laid_beside_cached_data_is_said(tmp_path, write_csv, write_folders):
    write_csv(tmp_path / "fer2013.csv")
    assert not any("Also here" in note for note in open_dataset(tmp_path).notes)
    write_folders(tmp_path)
    assert (
        open_dataset(tmp_path).notes[-1].startswith("Also here and not read: train/<label>/*.jpg")
    )


@pytest.mark.parametrize("name", ["archive.zip", "fer2013.tar.gz", "fer2013.csv.XZ"])
def test_a_packed_file_is_to_be_unpacked_first(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(DataError, match=r" is packed\. Unpack it, and give the file or folder"):
        open_dataset(tmp_path / name)


def test_the_folder_above_a_data_set_names_it(tmp_path, write_csv):
    write_csv(tmp_path / "fer2013" / "fer2013.csv")
    with pytest.raises(DataError, match=r"is no data set, but .*fer2013 is; give that path"):
        open_dataset(tmp_path)


def test_the_votes_alone_are_no_data_set(tmp_path, write_votes):
    with pytest.raises(
        DataError, match=r"fer2013new\.csv holds votes and no faces; give its folder"
    ):
        open_dataset(write_votes(tmp_path / "fer2013new.csv"))


def test_a_size_out_of_range_is_refused(tmp_path):
    with pytest.raises(InputError, match="images' size is 4 px; expected 8 to 1024"):
        open_dataset(tmp_path, size=4)


def test_bad_rows_are_not_cached(tmp_path, write_csv):
    file = write_csv(tmp_path / "fer2013.csv")
    good = file.read_text()
    file.write_text(good.replace("Training", "Trainings", 1))
    for _ in range(2):
        with pytest.raises(DataError, match="Usage is 'Trainings'"):
            open_dataset(file)


@pytest.mark.realdata
@pytest.mark.slow
def test_the_real_data_is_fer2013_as_published(fer2013_path):
    dataset = open_dataset(fer2013_path)
    assert not [note for note in dataset.notes if "as published" in note]
    assert (dataset.split == 0).sum() == 28_709
    assert (dataset.split == 1).sum() == 3_589
