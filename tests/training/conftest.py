"""Makes what tests of training share importable, and the teacher that is asked beforehand in some of them."""

import sys
from pathlib import Path

import pytest

from mien.data.synthetic import draw_faces
from mien.training.run import prepare, train
from mien.training.run_folder import RunFolder

# Tests are imported by path, so a module beside them is not found.
sys.path.insert(0, str(Path(__file__).parent))

from run_calls import Silent
from student_recipe import recipe


@pytest.fixture(scope="session")
def data():
    return draw_faces(160, seed=0, size=24)


@pytest.fixture(scope="session")
def faces(data):
    """The training faces of `student_recipe.recipe`."""
    told = recipe()
    return prepare(told.data, told.seed, data)[0]


@pytest.fixture(scope="session")
def teacher(data, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "teacher")
    train(recipe(), data, folder, Silent())
    return folder.path
