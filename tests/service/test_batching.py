import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest

from mien.service.batching import Batcher
from mien.types import Face


def crop(tone):
    return np.full((4, 4), tone, np.uint8)


def classify(crops):
    """A face's answer is its tone."""
    return [Face(str(int(one[0, 0])), 1.0, {}) for one in crops]


class Gated:
    """Classifies only when it is let."""

    def __init__(self):
        self.sizes, self.open, self.begun = [], threading.Event(), threading.Event()

    def __call__(self, crops):
        self.sizes.append(len(crops))
        self.begun.set()
        assert self.open.wait(60)
        return classify(crops)


def tones(future: Future):
    return [face.expression for face in future.result(60)]


def test_every_request_gets_its_own_faces_in_order():
    batcher = Batcher(classify, most=8, wait_s=0)
    futures = [batcher.submit([crop(3 * n), crop(3 * n + 1)]) for n in range(40)]
    assert [tones(f) for f in futures] == [[str(3 * n), str(3 * n + 1)] for n in range(40)]
    batcher.close()


def test_what_comes_while_one_runs_is_the_next_batch():
    gate = Gated()
    batcher = Batcher(gate, most=8, wait_s=0)
    first = batcher.submit([crop(0)])
    assert gate.begun.wait(10)
    rest = [batcher.submit([crop(n), crop(n)]) for n in range(1, 6)]
    gate.open.set()
    assert tones(first) == ["0"]
    assert [tones(future) for future in rest] == [[str(n)] * 2 for n in range(1, 6)]
    assert gate.sizes == [1, 8, 2]
    batcher.close()


def test_a_request_with_more_faces_than_a_batch_goes_alone():
    gate = Gated()
    gate.open.set()
    batcher = Batcher(gate, most=4, wait_s=0)
    assert len(tones(batcher.submit([crop(n) for n in range(9)]))) == 9
    assert gate.sizes == [9]
    batcher.close()


def test_it_waits_only_for_faces_on_their_way():
    batcher = Batcher(classify, most=8, wait_s=600)
    assert tones(batcher.submit([crop(1)])) == ["1"]
    batcher.close()


def test_faces_on_their_way_join_the_batch():
    gate = Gated()
    gate.open.set()
    batcher = Batcher(gate, most=2, wait_s=600)
    with batcher.coming() as hand_over, batcher.coming():
        one = hand_over([crop(1)])
        time.sleep(0.05)
        other = batcher.submit([crop(2)])
        assert tones(one) + tones(other) == ["1", "2"]
    assert gate.sizes == [2]
    batcher.close()


def test_faces_that_have_come_are_waited_for_no_more():
    batcher = Batcher(classify, most=8, wait_s=600)
    with batcher.coming() as hand_over:
        assert tones(hand_over([crop(1)])) == ["1"]
    with pytest.raises(ValueError, match="damaged"), batcher.coming():
        raise ValueError("damaged")
    assert tones(batcher.submit([crop(2)])) == ["2"]
    batcher.close()


def test_several_threads_classify_at_the_same_time_and_all_end():
    together, sizes = threading.Barrier(3), []

    def classify_(crops):
        sizes.append(len(crops))
        together.wait(60)
        return classify(crops)

    batcher = Batcher(classify_, most=2, wait_s=0, num_threads=3)
    futures = [batcher.submit([crop(n), crop(n)]) for n in range(6)]
    assert [tones(future) for future in futures] == [[str(n)] * 2 for n in range(6)]
    assert sizes == [2] * 6
    batcher.close()
    assert not any(thread.name == "mien-batches" for thread in threading.enumerate())


def test_a_failure_is_everyones_and_the_next_batch_goes_on():
    failing = [True]

    def classify_(crops):
        if failing.pop() if failing else False:
            raise ValueError("broken")
        return classify(crops)

    batcher = Batcher(classify_, most=8, wait_s=0)
    with pytest.raises(ValueError, match="broken"):
        batcher.submit([crop(1)]).result(60)
    assert tones(batcher.submit([crop(2)])) == ["2"]
    batcher.close()


def test_a_cancelled_request_is_never_classified():
    gate = Gated()
    batcher = Batcher(gate, most=8, wait_s=0)
    batcher.submit([crop(0)])
    assert gate.begun.wait(10)
    gone, kept = batcher.submit([crop(1)]), batcher.submit([crop(2)])
    assert gone.cancel()
    gate.open.set()
    assert tones(kept) == ["2"]
    assert gate.sizes == [1, 1]
    batcher.close()


def test_closing_answers_what_was_submitted():
    gate = Gated()
    batcher = Batcher(gate, most=2, wait_s=0)
    futures = [batcher.submit([crop(n)]) for n in range(7)]
    gate.open.set()
    batcher.close()
    assert [tones(future) for future in futures] == [[str(n)] for n in range(7)]


def test_no_faces_need_no_batch():
    batcher = Batcher(classify, most=2, wait_s=0)
    assert batcher.submit([]).result(0) == []
    batcher.close()
