"""Messages of the errors, and that each can be caught as what it is."""

import pytest

from mien import errors
from mien.errors import MienError, MissingExtraError, UnknownNameError, suggestion


def test_unknown_name_suggests_the_closest_and_says_where_to_look():
    error = UnknownNameError("model", "resnet81", ["mlp", "resnet18", "vgg16"], "mien models")
    assert str(error) == (
        "No model is called 'resnet81'. Did you mean resnet18? List them with: mien models"
    )


def test_unknown_name_without_a_close_one_suggests_nothing():
    error = UnknownNameError("model", "zebra", ["mlp", "vgg16"], "mien models")
    assert str(error) == "No model is called 'zebra'. List them with: mien models"


def test_missing_extra_gives_the_command_that_installs_it():
    assert str(MissingExtraError("train", "Training")) == (
        "Training needs an extra: pip install 'mien[train]'"
    )


def test_suggestion_names_at_most_three():
    assert suggestion("lr", []) == ""
    assert suggestion("vgg1", ["vgg11", "vgg13", "vgg16", "vgg19"]).count(" or ") == 2


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.InputError("x"), ValueError),
        (UnknownNameError("model", "x", [], "mien models"), LookupError),
        (MissingExtraError("train", "Training"), ImportError),
    ],
)
def test_errors_are_caught_as_the_builtin_that_they_refine(error, builtin):
    assert isinstance(error, MienError)
    assert isinstance(error, builtin)


def test_every_error_is_a_mien_error():
    raised = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    assert len(raised) >= 9
    assert all(issubclass(error, MienError) for error in raised)
