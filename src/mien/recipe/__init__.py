"""What a run can be told.

Nothing below training may see a recipe: networks, data and losses take plain arguments.
"""

from mien.recipe.options import (
    AugmentOptions,
    DataOptions,
    DistillOptions,
    HeadOptions,
    ModelOptions,
    OptimizerOptions,
    Recipe,
    ScheduleOptions,
    TrainOptions,
)
from mien.recipe.reading import load_recipe, nameless, recipe_from_dict

__all__ = [
    "AugmentOptions",
    "DataOptions",
    "DistillOptions",
    "HeadOptions",
    "ModelOptions",
    "OptimizerOptions",
    "Recipe",
    "ScheduleOptions",
    "TrainOptions",
    "load_recipe",
    "nameless",
    "recipe_from_dict",
]
