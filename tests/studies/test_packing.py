import numpy as np
import pytest

from mien.studies.packing import pack, unpack


@pytest.mark.parametrize("classes", [[], [0, 255], [0, 255, 256, 300], [65_535]])
def test_classes_come_back_however_many_there_are(classes):
    assert unpack(pack(np.array(classes, np.int64))).tolist() == classes


def test_few_classes_are_packed_as_they_always_were():
    assert pack(np.array([0, 1, 255])) == "eNpjYPwPAAEEAQE="
