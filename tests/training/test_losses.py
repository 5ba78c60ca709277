import pytest
import torch
import torch.nn.functional as F

from mien.training.losses import head_loss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    return logits, labels, F.one_hot(labels, 4).float()


def test_hard_targets_give_torchs_cross_entropy(batch):
    logits, labels, probs = batch
    torch.testing.assert_close(
        head_loss(logits, probs, torch.ones(6)), F.cross_entropy(logits, labels)
    )


def test_label_smoothing_is_torchs(batch):
    logits, labels, probs = batch
    torch.testing.assert_close(
        head_loss(logits, probs, torch.ones(6), label_smoothing=0.1),
        F.cross_entropy(logits, labels, label_smoothing=0.1),
    )


def test_rows_that_do_not_count_change_nothing(batch):
    logits, labels, probs = batch
    counts = torch.tensor([1.0, 1, 1, 0, 0, 0])
    torch.testing.assert_close(
        head_loss(logits, probs, counts), F.cross_entropy(logits[:3], labels[:3])
    )


def test_a_batch_in_which_nothing_counts_has_no_loss_and_no_gradient(batch):
    logits, _, probs = batch
    logits.requires_grad_()
    loss = head_loss(logits, probs, torch.zeros(6))
    loss.backward()
    assert loss.item() == 0
    assert float(logits.grad.abs().max()) == 0


def test_any_of_takes_the_most_probable_right_answer():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    right = torch.tensor([[0.0, 1, 1], [1, 1, 0]])
    expected = -(torch.log(torch.tensor(0.3)) + torch.log(torch.tensor(0.1))) / 2
    torch.testing.assert_close(head_loss(logits, right, torch.ones(2), any_of=True), expected)


def test_any_of_stays_finite_where_no_answer_is_right():
    logits = torch.zeros(2, 3, requires_grad=True)
    right = torch.tensor([[1.0, 0, 0], [0, 0, 0]])
    head_loss(logits, right, torch.tensor([1.0, 0]), any_of=True).backward()
    assert torch.isfinite(logits.grad).all()
