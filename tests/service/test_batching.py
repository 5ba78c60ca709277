import threading
import time
import weakref
from concurrent.futures import Future

import numpy as np
import pytest

from mien.service.batching import Batcher
from mien.types import Face


def crop(tone):
    return np.full((4, 4), tone, np.uint8)


def ready(*tones):
    """A request whose faces need no preparing; what is known of it is how many they are."""
    return lambda: (len(tones), [crop(tone) for tone in tones])


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
    seen, faces = future.result(60)
    assert seen == len(faces)
    return [face.expression for face in faces]


def test_every_request_gets_its_own_faces_in_order():
    batcher = Batcher(classify, most=8)
    futures = [batcher.submit(ready(3 * n, 3 * n + 1)) for n in range(40)]
    assert [tones(f) for f in futures] == [[str(3 * n), str(3 * n + 1)] for n in range(40)]
    batcher.close()


def test_what_comes_while_a_group_is_at_work_is_the_next_group():
    gate, told = Gated(), []
    batcher = Batcher(gate, most=8, observe=told.append)
    first = batcher.submit(ready(0))
    assert gate.begun.wait(10)
    rest = [batcher.submit(ready(n)) for n in range(1, 12)]
    gate.open.set()
    assert tones(first) == ["0"]
    assert [tones(future) for future in rest] == [[str(n)] for n in range(1, 12)]
    assert gate.sizes == told == [1, 8, 3]
    batcher.close()


def test_with_a_batch_of_faces_nobody_waits_for_the_rest_of_the_group():
    gate, asked = Gated(), []
    batcher = Batcher(gate, most=4)
    batcher.submit(ready(0))
    assert gate.begun.wait(10)
    crowded = [batcher.submit(ready(*range(3))) for _ in range(2)]

    def late():
        asked.append([future.done() for future in crowded])
        return 1, [crop(7)]

    last = batcher.submit(late)
    gate.open.set()
    assert tones(last) == ["7"]
    assert asked == [[True, True]]
    assert gate.sizes == [1, 6, 1]
    batcher.close()


def test_what_waits_is_shared_out_among_the_threads():
    """Two threads that are free take one of two requests each, though a group may have eight."""
    together, begun, free = threading.Barrier(2), threading.Semaphore(0), threading.Event()

    def held():
        begun.release()
        assert free.wait(60)
        return 0, []

    def classify_(crops):
        together.wait(60)
        return classify(crops)

    batcher = Batcher(classify_, most=8, num_threads=2)
    holding = [batcher.submit(held) for _ in range(2)]
    assert all(begun.acquire(timeout=60) for _ in range(2))
    futures = [batcher.submit(ready(n)) for n in range(2)]
    free.set()
    assert [tones(future) for future in (*holding, *futures)] == [[], [], ["0"], ["1"]]
    batcher.close()
    assert not any(thread.name == "mien-batches" for thread in threading.enumerate())


def test_it_takes_what_waits_and_waits_for_nobody():
    gate = Gated()
    gate.open.set()
    batcher = Batcher(gate, most=2)
    assert tones(batcher.submit(ready(1))) + tones(batcher.submit(ready(2))) == ["1", "2"]
    assert gate.sizes == [1, 1]
    batcher.close()


def test_it_waits_for_a_full_group_where_it_is_told_to():
    gate = Gated()
    gate.open.set()
    batcher = Batcher(gate, most=2, wait_s=600)
    one = batcher.submit(ready(1))
    time.sleep(0.05)
    other = batcher.submit(ready(2))
    assert tones(one) + tones(other) == ["1", "2"]
    assert gate.sizes == [2]
    batcher.close()


def test_it_waits_no_longer_than_it_is_told_to():
    batcher = Batcher(classify, most=2, wait_s=0.01)
    assert tones(batcher.submit(ready(1))) == ["1"]
    batcher.close()


def test_what_cannot_be_prepared_is_its_own_trouble():
    gate = Gated()
    batcher = Batcher(gate, most=8)
    batcher.submit(ready(0))
    assert gate.begun.wait(10)

    def damaged():
        raise ValueError("damaged")

    futures = [batcher.submit(prepare) for prepare in (ready(1), damaged, ready(2))]
    gate.open.set()
    assert tones(futures[0]) + tones(futures[2]) == ["1", "2"]
    with pytest.raises(ValueError, match="damaged"):
        futures[1].result(60)
    assert gate.sizes == [1, 2]
    batcher.close()


def test_a_failure_of_the_network_is_everyones_and_the_next_group_goes_on():
    failing = [True]

    def classify_(crops):
        if failing.pop() if failing else False:
            raise ValueError("broken")
        return classify(crops)

    batcher = Batcher(classify_, most=8)
    with pytest.raises(ValueError, match="broken"):
        batcher.submit(ready(1)).result(60)
    assert tones(batcher.submit(ready(2))) == ["2"]
    batcher.close()


def test_a_cancelled_request_is_not_even_prepared():
    gate = Gated()
    batcher = Batcher(gate, most=8)
    batcher.submit(ready(0))
    assert gate.begun.wait(10)
    prepared = []
    gone, kept = batcher.submit(lambda: prepared.append(1)), batcher.submit(ready(2))
    assert gone.cancel()
    gate.open.set()
    assert tones(kept) == ["2"]
    assert gate.sizes == [1, 1]
    assert not prepared
    batcher.close()


def test_what_a_cancelled_request_brought_is_let_go_at_once():
    """While the threads are busy, bodies of callers who have gone away would fill the memory."""
    gate = Gated()
    batcher = Batcher(gate, most=8)
    batcher.submit(ready(0))
    assert gate.begun.wait(10)
    picture = np.zeros(1 << 20, np.uint8)
    kept = weakref.ref(picture)
    gone = batcher.submit(lambda picture=picture: (0, [picture]))
    del picture
    assert kept() is not None
    gone.cancel()
    assert kept() is None
    gate.open.set()
    batcher.close()


def test_what_is_prepared_already_is_let_go_before_the_rest_of_its_group_is():
    gate, alive = Gated(), []
    batcher = Batcher(gate, most=8)
    batcher.submit(ready(0))
    assert gate.begun.wait(10)
    body = np.zeros(1 << 20, np.uint8)
    kept = weakref.ref(body)
    batcher.submit(lambda body=body: (len(body), []))
    del body
    last = batcher.submit(lambda: alive.append(kept()) or (0, []))
    gate.open.set()
    assert tones(last) == []
    assert alive == [None]
    batcher.close()


def test_a_thread_that_never_ends_its_work_is_told_of_and_not_waited_for():
    gate = Gated()
    batcher = Batcher(gate, most=8, num_threads=2)
    assert batcher.busy_s() == 0
    batcher.submit(ready(0))
    assert gate.begun.wait(10)
    time.sleep(0.05)
    assert batcher.busy_s() >= 0.05
    started = time.monotonic()
    assert not batcher.close(within_s=0.1)
    assert time.monotonic() - started < 10
    gate.open.set()
    assert batcher.close(within_s=60)
    assert batcher.busy_s() == 0


@pytest.mark.parametrize("wait_s", [0, 600])
def test_closing_answers_what_was_submitted(wait_s):
    gate = Gated()
    batcher = Batcher(gate, most=2, wait_s=wait_s, num_threads=2)
    futures = [batcher.submit(ready(n)) for n in range(7)]
    gate.open.set()
    batcher.close()
    assert [tones(future) for future in futures] == [[str(n)] for n in range(7)]


def test_no_faces_ask_no_network():
    def classify_(_crops):
        raise AssertionError("there is nothing to classify")

    batcher = Batcher(classify_, most=2)
    assert batcher.submit(ready()).result(60) == (0, [])
    batcher.close()
