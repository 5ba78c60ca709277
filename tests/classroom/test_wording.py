from mien.classroom.signals import State
from mien.classroom.wording import WORDS

IN_CONSENT = {  # state -> the word by which students are told of it before they agree
    State.AWAY: ("there", "자리"),
    State.TURNED: ("turned", "고개"),
    State.STRAINED: ("strained", "긴장"),
    State.POSITIVE: ("positive", "긍정"),
    State.SURPRISED: ("surprised", "놀람"),
}


def test_students_are_told_before_they_agree_what_is_read_of_them():
    of_all = {State.STEADY, State.PRESENT, State.NO_DATA}  # what is left where none of these is
    assert set(IN_CONSENT) | of_all == set(State)
    for words in IN_CONSENT.values():
        assert all(word in text for word, text in zip(words, WORDS["sent_looked"], strict=True)), (
            words
        )
