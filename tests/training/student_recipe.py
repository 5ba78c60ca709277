"""The recipe whose faces a teacher answers in the tests of asking, and who hears of it."""

from mien.recipe import recipe_from_dict

TABLES = {
    "name": "student",
    "seed": 3,
    "model": {"name": "mien_net", "options": {"widths": [8, 16], "depths": [1, 1]}},
    "data": {"size": 24, "valid_fraction": 0.25},
    "heads": [{"labels": "fer2013"}, {"labels": "ferplus"}],
    "augment": {"flip": True, "rotate_deg": 12.0, "erase": 0.5},
    "train": {"epochs": 3, "batch_size": 32, "precision": "fp32", "sizes": [16, 24]},
}


def recipe(teacher="", **changes):
    distill = {"distill": {"teacher": str(teacher)}}
    return recipe_from_dict({**TABLES, **distill, **changes}, "student")


def silent(_answered, _of):
    """Hear how far a teacher is."""
