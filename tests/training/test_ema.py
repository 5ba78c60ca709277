import pytest
import torch
from torch import nn

from mien.training.ema import MovingAverage


def test_the_average_follows_with_its_decay_after_the_ramp():
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.weight)
    average = MovingAverage(network, 0.9)
    nn.init.ones_(network.weight)
    average.update(network, step=10_000)
    assert float(average.network.weight) == pytest.approx(0.1)


def test_early_on_the_average_forgets_faster():
    network = nn.Linear(1, 1)
    nn.init.zeros_(network.weight)
    average = MovingAverage(network, 0.999)
    nn.init.ones_(network.weight)
    average.update(network, step=0)
    assert float(average.network.weight) == pytest.approx(0.9)


def test_bn_statistics_are_averaged_too_and_counters_copied():
    network = nn.BatchNorm1d(2)
    average = MovingAverage(network, 0.5)
    network.running_mean.fill_(4.0)
    network.num_batches_tracked.fill_(7)
    average.update(network, step=1000)
    assert average.network.running_mean.tolist() == [2.0, 2.0]
    assert int(average.network.num_batches_tracked) == 7


def test_the_average_is_in_evaluation_mode_and_learns_nothing():
    average = MovingAverage(nn.Sequential(nn.Linear(1, 1), nn.Dropout()), 0.5)
    assert not average.network.training
    assert not any(p.requires_grad for p in average.network.parameters())
    assert torch.equal(average.network(torch.ones(1, 1)), average.network(torch.ones(1, 1)))
