import pytest
import torch
from torch import nn

from mien.recipe import OptimizerOptions, ScheduleOptions
from mien.training.optimizers import build_optimizer
from mien.training.schedules import build_schedule, rate_factor


def rates(options, epochs=4, steps=5, accuracies=None):
    """The learning rate of every batch of a run with peak 1."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    schedule = build_schedule(optimizer, options, epochs, steps)
    seen = []
    for epoch in range(epochs):
        for _ in range(steps):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.after_step()
        schedule.after_epoch((accuracies or [0.0] * epochs)[epoch])
    return seen


def test_constant_stays():
    assert rates(ScheduleOptions()) == [1.0] * 20


def test_linear_rises_in_the_warm_up_then_falls_to_zero():
    seen = rates(ScheduleOptions(name="linear", warmup_epochs=1))
    assert seen[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert seen[5] == pytest.approx(1.0)
    assert seen[-1] == pytest.approx(1 / 15)
    assert rate_factor("linear", 20, 20, 5) == 0


def test_cosine_is_half_way_down_in_the_middle():
    assert rate_factor("cosine", 10, 20, 0) == pytest.approx(0.5)
    assert rate_factor("cosine", 20, 20, 0) == pytest.approx(0.0)


def test_one_cycle_peaks_after_its_start():
    seen = rates(ScheduleOptions(name="one_cycle", pct_start=0.25))
    assert max(seen) == pytest.approx(1.0)
    assert seen.index(max(seen)) == 4
    assert seen[0] == pytest.approx(1 / 25)


def test_one_cycle_falls_at_once_where_it_has_one_step_to_rise():
    seen = rates(ScheduleOptions(name="one_cycle", pct_start=0.1), epochs=2, steps=5)
    assert seen[0] == pytest.approx(1 / 25)
    assert seen[1] == pytest.approx(1, abs=0.05)
    assert seen[1:] == sorted(seen[1:], reverse=True)


def test_plateau_divides_after_its_patience():
    options = ScheduleOptions(name="plateau", patience=1, factor=0.1, min_lr=0.05)
    seen = rates(options, epochs=7, steps=1, accuracies=[0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6])
    assert seen == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.05])


@pytest.mark.parametrize("name", ["linear", "one_cycle", "plateau"])
def test_a_restored_schedule_goes_on_where_it_was(name):
    def fresh():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
        return optimizer, build_schedule(optimizer, ScheduleOptions(name=name, patience=0), 4, 5)

    optimizer, schedule = fresh()
    for _ in range(7):
        optimizer.step()
        schedule.after_step()
    schedule.after_epoch(0.5)
    schedule.after_epoch(0.5)
    again_optimizer, again = fresh()
    again_optimizer.load_state_dict(optimizer.state_dict())
    again.restore(schedule.state())
    for _ in range(5):
        for one, its in ((optimizer, schedule), (again_optimizer, again)):
            one.step()
            its.after_step()
            its.after_epoch(0.4)
        assert optimizer.param_groups[0]["lr"] == again_optimizer.param_groups[0]["lr"]


def test_decay_acts_on_weights_only():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = build_optimizer(network, OptimizerOptions(name="adamw", weight_decay=0.1))
    weights, others = optimizer.param_groups
    assert [tuple(p.shape) for p in weights["params"]] == [(2, 1, 3, 3)]
    assert weights["weight_decay"] == 0.1
    assert len(others["params"]) == 3
    assert others["weight_decay"] == 0


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (OptimizerOptions(nesterov=True), torch.optim.SGD),
        (OptimizerOptions(name="adam", betas=(0.8, 0.9)), torch.optim.Adam),
        (OptimizerOptions(name="adamw"), torch.optim.AdamW),
    ],
)
def test_each_optimizer_is_torchs_with_the_settings_given(options, kind):
    optimizer = build_optimizer(nn.Linear(2, 2), options)
    assert type(optimizer) is kind
    group = optimizer.param_groups[0]
    assert group["lr"] == options.lr
    assert group.get("nesterov", options.nesterov) == options.nesterov
    if options.name != "sgd":
        assert group["betas"] == options.betas
