import numpy as np

from mien.softmax import log_softmax, softmax


def test_softmax_by_hand_and_far_out():
    np.testing.assert_allclose(softmax(np.log([[1.0, 3.0]])), [[0.25, 0.75]])
    np.testing.assert_allclose(softmax(np.log([[1.0, 9.0]]), 2.0), [[0.25, 0.75]])
    assert softmax(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]
    assert log_softmax(np.array([[1000.0, 0.0]], np.float32)).tolist() == [[0.0, -1000.0]]
