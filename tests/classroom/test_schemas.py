import pytest
from pydantic import ValidationError

from mien.classroom.schemas import LessonRequest


@pytest.mark.parametrize(
    "title",
    ["분수", "مرحبا", "\u202eabc", "1", "∫", "🧮", "👩\u200d🏫", "e\u0301", " Fractions\u200b "],
)
def test_titles_of_every_writing_are_taken(title):
    assert LessonRequest(title=title).title == title.strip()


@pytest.mark.parametrize(
    "title",
    ["", " ", "\u200b", "\u200b\u2060 \ufeff", "\u2028", "\u2029\u00ad", "\u202e", "\u3164", "\u2800", "\u0301", "a\nb"],
)  # fmt: skip
def test_titles_that_show_nothing_are_refused(title):
    with pytest.raises(ValidationError, match=r"nothing in it can be seen|at least 1|pattern"):
        LessonRequest(title=title)
