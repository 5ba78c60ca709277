import re
import string
from pathlib import Path

import pytest

import mien.demo
from mien.demo.texts import TEXTS, language_of, say
from mien.errors import UnknownNameError
from mien.labels import LANGUAGES

SOURCES = sorted(Path(mien.demo.__file__).parent.glob("*.py"))


def blanks(text):
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("key", TEXTS)
def test_every_sentence_is_there_in_each_language_with_the_same_blanks(key):
    spoken = TEXTS[key]
    assert len(spoken) == len(LANGUAGES)
    assert all(text.strip() for text in spoken)
    assert blanks(spoken[0]) == blanks(spoken[1])


def test_korean_is_korean_and_english_is_not():
    hangul = re.compile("[가-힣]")
    english, korean = ({key: text[place] for key, text in TEXTS.items()} for place in (0, 1))
    assert not [key for key, text in english.items() if hangul.search(text)]
    without = {key for key, text in korean.items() if not hangul.search(text)}
    assert without == {"column.ECE-15 %"}  # an abbreviation


def test_no_sentence_is_left_over():
    written = "".join(path.read_text("utf-8") for path in SOURCES if path.name != "texts.py")
    families = ("flag.", "column.")  # their ends come from other modules
    built = {f"{tab}.tab" for tab in ("photo", "live", "video", "compare")}
    unused = {key for key in TEXTS if f'"{key}"' not in written and not key.startswith(families)}
    assert unused - built == set()


def test_blanks_are_filled():
    assert say("face", "en", number=3) == "Face 3"
    assert say("face", "ko", number=3) == "얼굴 3"


def test_unknown_sentences_and_languages_are_told():
    with pytest.raises(UnknownNameError, match=r"No sentence is called 'fase'.*Did you mean face"):
        say("fase", "en")
    with pytest.raises(UnknownNameError, match="No language is called 'de'"):
        say("face", "de")


@pytest.mark.parametrize(
    ("accepted", "lang"),
    [
        (None, "en"),
        ("", "en"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-GB,en;q=0.9,ko;q=0.8", "en"),
        ("de,ko;q=0.5,en;q=0.3", "ko"),
        ("de-AT,fr;q=0.7", "en"),
        ("ko;q=nonsense, en", "en"),
    ],
)
def test_the_browser_says_which_language_comes_first(accepted, lang):
    assert language_of(accepted) == lang
