"""What mien promises to outsiders: names that exist, are documented, and take typed arguments."""

import ast
import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path

import pytest

import mien

PACKAGE = Path(mien.__file__).parent
MODULES = sorted(
    name
    for name in (module.name for module in pkgutil.walk_packages([str(PACKAGE)], prefix="mien."))
    if not name.rpartition(".")[2].startswith("_")
)


def public(module):
    """Return the functions and classes that a module offers and that are its own."""
    for name in module.__all__:
        value = getattr(module, name)
        is_ours = getattr(value, "__module__", None) == module.__name__
        if is_ours and (inspect.isfunction(value) or inspect.isclass(value)):
            yield name, value


def undocumented(name, value):
    """Name what lacks a docstring: the function, the class, or its public methods."""
    if not (value.__doc__ or "").strip():
        yield name
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            function = member.fget if isinstance(member, property) else member
            function = getattr(function, "__func__", function)
            if attribute.startswith("_") or not inspect.isfunction(function):
                continue
            if not inspect.getdoc(getattr(value, attribute)):
                yield f"{name}.{attribute}"


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_and_what_it_offers(name):
    module = importlib.import_module(name)
    source = Path(module.__file__).read_text("utf-8")
    if len(ast.parse(source).body) <= 1:
        return  # a bare package: nothing, or what it is for
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    assert hasattr(module, "__all__"), f"{name} has no __all__"
    missing = [offered for offered in module.__all__ if not hasattr(module, offered)]
    assert missing == []
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_is_documented_and_typed(name):
    module = importlib.import_module(name)
    if not hasattr(module, "__all__"):
        return
    for offered, value in public(module):
        assert list(undocumented(offered, value)) == []
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            untyped = [p.name for p in signature.parameters.values() if p.annotation is p.empty]
            assert untyped == [], f"{name}.{offered}"
            assert signature.return_annotation is not signature.empty, f"{name}.{offered}"


def test_every_name_of_mien_resolves():
    for name in mien.__all__:
        assert getattr(mien, name) is not None
    assert set(mien.__all__) <= set(dir(mien))


def test_a_name_that_mien_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mien' has no attribute 'Recogniser'"):
        mien.Recogniser  # noqa: B018


def test_lazy_names_are_those_of_their_home():
    from mien.modelfile import list_models, load_model
    from mien.types import Box, Face

    assert mien.Box is Box
    assert mien.Face is Face
    assert mien.list_models is list_models
    assert mien.load_model is load_model


def test_the_version_is_the_distribution_s():
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"] == mien.__version__


def test_types_are_shipped():
    assert (PACKAGE / "py.typed").exists()
