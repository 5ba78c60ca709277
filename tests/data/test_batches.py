import numpy as np

from mien.data.batches import epoch_batches, num_batches


def test_an_epoch_shows_each_row_at_most_once_and_full_batches_only():
    batches = list(epoch_batches(10, 3, seed=0, epoch=0))
    assert [len(batch) for batch in batches] == [3, 3, 3]
    assert len(set(np.concatenate(batches))) == 9


def test_going_on_in_the_middle_gives_the_rest_of_the_same_epoch():
    whole = list(epoch_batches(100, 8, seed=1, epoch=4))
    rest = list(epoch_batches(100, 8, seed=1, epoch=4, first=5))
    assert np.array_equal(np.stack(whole[5:]), np.stack(rest))


def test_epochs_and_seeds_differ_in_order():
    first = next(epoch_batches(50, 50, seed=0, epoch=0))
    assert not np.array_equal(first, next(epoch_batches(50, 50, seed=0, epoch=1)))
    assert not np.array_equal(first, next(epoch_batches(50, 50, seed=1, epoch=0)))


def test_fewer_rows_than_a_batch_make_one_batch():
    assert num_batches(5, 8) == 1
    assert [len(batch) for batch in epoch_batches(5, 8, seed=0, epoch=0)] == [5]
