"""Small data sets in every layout, from drawn faces."""

import csv
import io
import json

import cv2
import numpy as np
import PIL.Image
import pytest

from mien.data.classes import USAGES
from mien.data.dataset import SPLITS, Dataset
from mien.data.synthetic import draw_faces
from mien.labels import FER2013, FERPLUS_VOTES


@pytest.fixture(scope="session")
def drawn():
    """Forty drawn faces in all three splits."""
    return draw_faces(40, seed=5)


def csv_line(image, label, usage):
    return f"{label},{' '.join(str(value) for value in image.ravel().tolist())},{usage}"


@pytest.fixture
def write_csv(drawn):
    """Writes the drawn faces as the Kaggle challenge's file; the lines can be changed on the way."""

    def write(file, change=lambda lines: lines, header="emotion,pixels,Usage"):
        lines = [
            csv_line(image, label, USAGES[split])
            for image, label, split in zip(drawn.images, drawn.labels, drawn.split, strict=True)
        ]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(change([header, *lines])) + "\n")
        return file

    return write


@pytest.fixture
def write_votes(drawn):
    """Writes the drawn votes as fer2013new.csv; row 3 is named nothing, as pictures without a face are."""

    def write(file, change=lambda rows: rows):
        rows = [["Usage", "Image name", *FERPLUS_VOTES.labels]]
        for place, (votes, split) in enumerate(zip(drawn.votes, drawn.split, strict=True)):
            name = "" if place == 2 else f"fer{place:07}.png"
            rows.append([USAGES[split], name, *votes.tolist()])
        with file.open("w", newline="") as out:
            csv.writer(out).writerows(change(rows))
        return file

    return write


def as_png(image):
    buffer = io.BytesIO()
    PIL.Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def write_folders(drawn):
    """Writes train/<label>/N.png and test/<label>/N.png; valid/ only when named."""

    def write(path, names=FER2013.labels, splits=("train", "valid", "test")):
        for place, (image, label, split) in enumerate(
            zip(drawn.images, drawn.labels, drawn.split, strict=True)
        ):
            folder = path / splits[split] / names[label]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{place:03}.png").write_bytes(as_png(image))
        return path

    return write


@pytest.fixture
def write_parquet(drawn):
    """Writes one split as the parquet of FER2013 with votes."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def write(file, split, **changed):
        rows = np.flatnonzero(drawn.split == split)
        columns = {
            "row": pa.array(rows, pa.int32()),
            "usage": [USAGES[split]] * len(rows),
            "png": [as_png(drawn.images[row]) for row in rows],
            "emotion": pa.array(drawn.labels[rows], pa.int8()),
            **{name: drawn.votes[rows, place] for place, name in enumerate(FERPLUS_VOTES.labels)},
            "image_name": [f"fer{row:07}.png" if row != 2 else "" for row in rows],
        } | changed
        table = pa.table({name: values for name, values in columns.items() if values is not None})
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, file)
        return file

    return write


@pytest.fixture
def write_hub_parquet(drawn):
    """Writes image{bytes, path} and label as the Hub's `datasets` library does, with or without class names."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def write(file, split, names=None):
        rows = np.flatnonzero(drawn.split == split)
        pictures = [{"bytes": as_png(drawn.images[row]), "path": None} for row in rows]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        spelled = list(names or FER2013.labels)
        labels = [spelled.index(FER2013.labels[drawn.labels[row]]) for row in rows]
        table = pa.table({"image": pa.array(pictures, kind), "label": pa.array(labels, pa.int64())})
        if names:
            features = {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": features})})
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, file)
        return file

    return write


def make_textures(num, seed, size=48):
    """Smooth random pictures that look like each other as little as faces of different people do."""
    coarse = np.random.default_rng(seed).integers(0, 256, (num, 8, 8)).astype(np.uint8)
    return np.stack(
        [cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC) for one in coarse]
    )


@pytest.fixture(scope="session")
def textures():
    """`make_textures`."""
    return make_textures


@pytest.fixture(scope="session")
def unlabelled():
    """Of so many different textures, a data set of one label, all in one split."""

    def make(num, seed, split="train"):
        return Dataset(
            images=make_textures(num, seed),
            labels=np.zeros(num, np.int64),
            label_names=("a",),
            split=np.full(num, SPLITS.index(split), np.uint8),
        )

    return make
