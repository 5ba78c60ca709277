import numpy as np
import pytest

from mien.demo import readers as module
from mien.demo.readers import Readers
from mien.errors import InputError, UnknownNameError
from mien.faces import open_detector

NONE = open_detector("none")


def test_a_model_is_loaded_once_and_both_of_its_heads_answer(tiny_model_path, monkeypatch):
    loaded = []
    load = module.load_model
    monkeypatch.setattr(module, "load_model", lambda path: loaded.append(path) or load(path))
    readers = Readers([tiny_model_path], NONE)
    bright = np.full((60, 60, 3), 255, np.uint8)
    plus, old = (readers[key] for _, key in readers.choices("en"))
    assert plus.model is old.model
    assert loaded == [tiny_model_path]
    assert [r.predict(bright)[0].expression for r in (plus, old)] == ["happiness", "happy"]


def test_choices_name_model_and_labels_in_both_languages(tiny_model_path):
    readers = Readers([tiny_model_path], NONE)
    assert readers.choices("en") == [
        ("tiny · FER+, 8 expressions", "tiny ferplus"),
        ("tiny · FER2013, 7 expressions", "tiny fer2013"),
    ]
    assert readers.choices("ko")[0] == ("tiny · FER+, 표정 8가지", "tiny ferplus")


def test_two_models_are_set_side_by_side_and_else_two_heads(tiny_model_path):
    assert Readers([tiny_model_path], NONE).pair() == ("tiny ferplus", "tiny fer2013")
    assert Readers([tiny_model_path, "mien-s"], NONE).pair() == ("tiny ferplus", "mien-s ferplus")


def test_two_models_of_one_name_are_refused(tiny_model_path):
    with pytest.raises(InputError, match="Two models are called 'tiny', and the page could not"):
        Readers([tiny_model_path, tiny_model_path], NONE)


def test_no_model_is_refused():
    with pytest.raises(InputError, match=r"The page has no model. Name one, such as mien-s"):
        Readers([], NONE)


def test_an_unknown_choice_is_told(tiny_model_path):
    with pytest.raises(UnknownNameError, match="No model is called 'tiny other'"):
        Readers([tiny_model_path], NONE)["tiny other"]
