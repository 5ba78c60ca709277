import numpy as np
import torch
from torch import nn

from mien.data.dataset import Dataset
from mien.labels import FER2013, FERPLUS
from mien.preprocess import InputSpec
from mien.recipe import recipe_from_dict
from mien.training.loop import Trainer


class Happy(nn.Module):
    """Answers happiness to each face."""

    def __init__(self):
        super().__init__()
        happiness = FERPLUS.labels.index("happiness")
        self.logits = nn.Parameter(torch.eye(len(FERPLUS))[happiness])

    def forward(self, inputs):
        return self.logits.expand(len(inputs), -1)


def test_any_of_several_right_answers_is_right_in_the_training_accuracy():
    #         neu hap sur sad ang dis fea con unk NF
    votes = [[5, 5, 0, 0, 0, 0, 0, 0, 0, 0]] * 3 + [[9, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
    faces = Dataset(
        images=np.zeros((4, 8, 8), np.uint8),
        labels=np.zeros(4, np.int64),
        label_names=FER2013.labels,
        split=np.zeros(4, np.uint8),
        votes=np.array(votes, np.uint8),
    )
    tables = {
        "name": "any",
        "data": {"size": 8},
        "heads": [{"labels": "ferplus", "mode": "multi_target"}],
        "optimizer": {"lr": 1e-6},
        "train": {"batch_size": 2, "precision": "fp32"},
    }
    recipe, device = recipe_from_dict(tables, "any"), torch.device("cpu")
    trainer = Trainer(recipe, Happy(), InputSpec(size=8), faces, device, "fp32")
    assert trainer.run_epoch(lambda _: None)["train_accuracy"] == 0.75
