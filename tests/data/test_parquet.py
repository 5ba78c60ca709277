"""Parquet: FER2013's own columns with votes, and the Hub's image + label."""

import sys
import weakref

import numpy as np
import pytest

from mien.data import open_dataset, parquet
from mien.errors import DataError, MissingExtraError
from mien.labels import FER2013, FERPLUS_VOTES

pa = pytest.importorskip("pyarrow")


def test_fer2013_columns_come_back_in_row_order(tmp_path, write_parquet, drawn):
    for split, name in ((1, "valid"), (0, "train"), (2, "test")):
        write_parquet(tmp_path / f"{name}.parquet", split)
    dataset = parquet.read(tmp_path, 48)
    order = np.concatenate([np.flatnonzero(drawn.split == split) for split in range(3)])
    expected = drawn.take(order)
    np.testing.assert_array_equal(dataset.images, expected.images)
    np.testing.assert_array_equal(dataset.labels, expected.labels)
    np.testing.assert_array_equal(dataset.split, expected.split)
    np.testing.assert_array_equal(dataset.votes, expected.votes)
    assert dataset.label_names == FER2013.labels
    assert dataset.names[:3].tolist() == ["fer0000000.png", "fer0000001.png", "row 2"]


@pytest.mark.parametrize(
    ("column", "test", "train"),
    [("Usage", "PrivateTest", "Training"), ("split", "test", "train"), ("Split", "Test", "Train")],
)
def test_a_column_of_splits_may_be_called_usage_or_split_in_any_case(
    tmp_path, write_parquet, drawn, column, test, train
):
    file = write_parquet(tmp_path / "fer2013.parquet", 0)
    table = pa.parquet.read_table(file).drop_columns("usage")
    table = table.append_column(column, pa.array([test] + [train] * (len(table) - 1)))
    pa.parquet.write_table(table, file)
    dataset = parquet.read(tmp_path, 48)
    assert dataset.split.tolist() == [2] + [0] * (num_rows(drawn) - 1)
    assert not dataset.notes


def test_a_hub_data_set_takes_names_from_the_schema_and_splits_from_the_files(
    tmp_path, write_hub_parquet, drawn
):
    alphabetical = sorted(FER2013.labels)
    write_hub_parquet(tmp_path / "data" / "train-00000-of-00001.parquet", 0, alphabetical)
    write_hub_parquet(tmp_path / "data" / "validation-00000-of-00001.parquet", 1, alphabetical)
    write_hub_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", 2, alphabetical)
    dataset = parquet.read(tmp_path, 48)
    order = np.argsort(drawn.split, kind="stable")
    assert dataset.label_names == FER2013.labels
    np.testing.assert_array_equal(dataset.labels, drawn.labels[order])
    np.testing.assert_array_equal(dataset.split, drawn.split[order])
    np.testing.assert_array_equal(dataset.images, drawn.images[order])
    assert dataset.votes is None


@pytest.mark.parametrize("above", [".", "data"])
def test_files_may_lie_in_folders_of_splits_as_the_hub_converts_them(
    tmp_path, write_hub_parquet, drawn, above
):
    whole = tmp_path / "test"  # the data set's own folder says nothing
    for split, name in enumerate(("train", "validation", "test")):
        write_hub_parquet(whole / above / name / "0000.parquet", split, sorted(FER2013.labels))
    dataset = open_dataset(whole, size=48, use_cache=False)
    order = np.argsort(drawn.split, kind="stable")
    np.testing.assert_array_equal(dataset.split, drawn.split[order])
    np.testing.assert_array_equal(dataset.images, drawn.images[order])
    (tmp_path / "pictures/train/happy").mkdir(parents=True)
    write_hub_parquet(tmp_path / "pictures/train/metadata.parquet", 0)
    assert parquet.find_files(tmp_path / "pictures") == ()
    alone = parquet.read(write_hub_parquet(whole / "0000.parquet", 0, FER2013.labels), 48)
    assert np.unique(alone.split).tolist() == [0]
    assert "0000.parquet says no split" in alone.notes[-1]


def test_classes_without_names_are_called_by_number(tmp_path, write_hub_parquet):
    dataset = parquet.read(write_hub_parquet(tmp_path / "train.parquet", 0), 48)
    assert dataset.label_names == ("0", "1", "2", "3", "4", "5", "6")
    assert dataset.notes == (
        "train.parquet does not name its classes; they are called by their numbers.",
    )


def test_a_file_without_the_highest_number_has_the_classes_of_the_others(
    tmp_path, write_hub_parquet, drawn
):
    write_hub_parquet(tmp_path / "train.parquet", 0)
    table = pa.parquet.read_table(write_hub_parquet(tmp_path / "test.parquet", 2))
    few = [label < 3 for label in table["label"].to_pylist()]
    pa.parquet.write_table(table.filter(few), tmp_path / "test.parquet")
    dataset = parquet.read(tmp_path, 48)
    assert dataset.label_names == ("0", "1", "2", "3", "4", "5", "6")
    of_test = drawn.labels[drawn.split == 2]
    np.testing.assert_array_equal(dataset.labels[dataset.split == 2], of_test[of_test < 3])


def test_hidden_files_are_none_of_the_data(tmp_path, write_parquet):
    file = write_parquet(tmp_path / "train.parquet", 0)
    (tmp_path / "._train.parquet").write_bytes(b"\0\5\x16\7")
    assert parquet.find_files(tmp_path) == (file,)


def test_own_class_names_are_kept(tmp_path, write_hub_parquet):
    names = [*FER2013.labels, "bored"]
    dataset = parquet.read(write_hub_parquet(tmp_path / "train.parquet", 0, names), 48)
    assert dataset.label_names == tuple(names)


def test_pictures_of_another_size_are_resized(tmp_path, write_parquet):
    assert parquet.read(write_parquet(tmp_path / "train.parquet", 0), 64).images.shape[1:] == (
        64,
        64,
    )


def num_rows(drawn):
    return int((drawn.split == 0).sum())


def replaced(values, row, value):
    values = list(values)
    values[row] = value
    return values


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("emotion", 7, r"row 5: label 7; expected 0 to 6 \(angry, disgust"),
        ("usage", "fold 3", "row 5: usage is 'fold 3'; expected one of Training, PublicTest"),
        ("png", b"", r"row 5: is empty \(0 bytes\)"),
        ("png", b"no picture", "row 5: is not a picture that can be read"),
        ("png", None, "row 5: the picture's bytes are missing"),
        ("anger", -1, "row 5: -1 votes for anger; expected a whole number from 0 to 255"),
        ("anger", 300, "row 5: 300 votes for anger"),
        ("anger", None, "row 5: nan votes for anger"),
    ],
)
def test_a_bad_row_is_named(tmp_path, write_parquet, column, value, words):
    file = write_parquet(tmp_path / "train.parquet", 0)
    values = pa.parquet.read_table(file)[column].to_pylist()
    write_parquet(file, 0, **{column: replaced(values, 4, value)})
    with pytest.raises(DataError, match=rf"train\.parquet, {words}"):
        parquet.read(file, 48)


def test_missing_columns_are_named(tmp_path, write_parquet):
    file = write_parquet(tmp_path / "train.parquet", 0, png=None)
    with pytest.raises(
        DataError, match=r"has no column of pictures: expected png or image .* it has row, usage"
    ):
        parquet.read(file, 48)
    write_parquet(file, 0, emotion=None)
    with pytest.raises(DataError, match="has no column of labels: expected emotion or label"):
        parquet.read(file, 48)
    write_parquet(file, 0, unknown=None)
    with pytest.raises(DataError, match=r"lacks FER\+ vote columns: unknown"):
        parquet.read(file, 48)


def test_labels_that_are_words_are_refused(tmp_path, write_parquet, drawn):
    file = write_parquet(tmp_path / "train.parquet", 0, emotion=["happy"] * num_rows(drawn))
    with pytest.raises(DataError, match="column emotion is string; expected whole numbers"):
        parquet.read(file, 48)


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    file = tmp_path / "train.parquet"
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as parquet: "):
        parquet.read(file, 48)


def test_files_of_two_data_sets_are_refused(tmp_path, write_parquet, write_hub_parquet):
    write_parquet(tmp_path / "train.parquet", 0)
    write_hub_parquet(tmp_path / "test.parquet", 2)
    with pytest.raises(DataError, match=r"name their classes differently: angry, .* and 0, 1"):
        parquet.read(tmp_path, 48)


def test_without_pyarrow_the_extra_is_named(tmp_path, write_parquet, monkeypatch):
    file = write_parquet(tmp_path / "train.parquet", 0)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingExtraError, match=r"Reading parquet needs an extra: pip install 'mien\[train\]'"
    ):
        parquet.read(file, 48)


def test_votes_that_are_no_numbers_are_refused(tmp_path, write_parquet, drawn):
    file = write_parquet(tmp_path / "train.parquet", 0, anger=["two"] * num_rows(drawn))
    with pytest.raises(DataError, match="column anger is string; expected votes as whole numbers"):
        parquet.read(file, 48)


@pytest.mark.parametrize(
    ("label", "words"),
    [(10**9, r"row 3: label 1000000000 of classes that have no names"), (2**63, "cannot be read")],
)
def test_labels_that_are_no_classes_are_refused(tmp_path, label, words):
    labels = pa.array([0, 1, label], pa.uint64())
    images = drawn_pictures(3)
    pa.parquet.write_table(pa.table({"image": images, "label": labels}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=words):
        parquet.read(tmp_path / "a.parquet", 48)


def test_a_file_without_rows_is_refused(tmp_path, write_parquet):
    table = pa.parquet.read_table(write_parquet(tmp_path / "train.parquet", 0))
    pa.parquet.write_table(table.slice(0, 0), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=r"holds no rows\."):
        parquet.read(tmp_path, 48)


def test_an_empty_shard_among_others_is_passed_by(tmp_path, write_parquet):
    whole = parquet.read(write_parquet(tmp_path / "train.parquet", 0).parent, 48)
    table = pa.parquet.read_table(tmp_path / "train.parquet")
    pa.parquet.write_table(table.slice(0, 0), tmp_path / "train-00001-of-00002.parquet")
    assert parquet.read(tmp_path, 48).content_hash == whole.content_hash


def test_one_file_is_in_memory_at_a_time(tmp_path, write_parquet, monkeypatch):
    for name in ("train", "valid", "test"):
        write_parquet(tmp_path / f"{name}.parquet", 0)
    seen = []
    read_table = pa.parquet.read_table

    def read_alone(*args, **options):
        assert all(table() is None for table in seen)
        table = read_table(*args, **options)
        seen.append(weakref.ref(table))
        return table

    monkeypatch.setattr(pa.parquet, "read_table", read_alone)
    parquet.read(tmp_path, 48)
    assert len(seen) == 3


def test_rows_of_files_without_votes_have_none_and_that_is_said(tmp_path, write_parquet, drawn):
    write_parquet(tmp_path / "train.parquet", 0)
    table = pa.parquet.read_table(write_parquet(tmp_path / "test.parquet", 1))
    pa.parquet.write_table(
        table.drop_columns(list(FERPLUS_VOTES.labels)), tmp_path / "test.parquet"
    )
    dataset = parquet.read(tmp_path, 48)
    first = int((drawn.split == 0).sum())
    np.testing.assert_array_equal(dataset.votes[:first], drawn.votes[drawn.split == 0])
    assert not dataset.votes[first:].any()
    assert dataset.notes == (
        f"{len(dataset) - first:,} rows are of files without columns of FER+ votes, and have none.",
    )


@pytest.mark.parametrize(
    ("name", "split", "is_said"),
    [
        ("fer2013_test.parquet", 2, False),
        ("PrivateTest.parquet", 2, False),
        ("publictest-00000-of-00001.parquet", 1, False),
        ("faces.parquet", 0, True),
    ],
)
def test_a_split_is_a_word_of_the_files_name_or_it_is_said_that_there_is_none(
    tmp_path, write_hub_parquet, name, split, is_said
):
    dataset = parquet.read(write_hub_parquet(tmp_path / name, 0), 48)
    assert np.unique(dataset.split).tolist() == [split]
    assert any("faces.parquet says no split" in note for note in dataset.notes) is is_said


def test_endings_may_be_large(tmp_path, write_parquet):
    write_parquet(tmp_path / "TRAIN.PARQUET", 0)
    assert parquet.find_files(tmp_path) == (tmp_path / "TRAIN.PARQUET",)
    assert parquet.find_files(tmp_path / "TRAIN.PARQUET") == (tmp_path / "TRAIN.PARQUET",)


def drawn_pictures(count):
    import cv2

    return [cv2.imencode(".png", np.zeros((48, 48), np.uint8))[1].tobytes()] * count
