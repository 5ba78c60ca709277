import itertools

import pytest

from mien.classroom.signals import Answer, State
from mien.classroom.simulator import Scenario, Stretch, load_scenario, random_lesson
from mien.errors import ConfigError

HEAD = "duration_s = 100\nnum_students = 4\n"


def load(tmp_path, text, **options):
    path = tmp_path / "talk.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_scenario(path, **options)


def test_a_script_says_who_is_in_which_state_when(tmp_path):
    script = load(
        tmp_path,
        '[[stretches]]\nstate = "strained"\nfrom_s = 10\nto_s = 50\nstudents = 0.5\n'
        '[[stretches]]\nstate = "away"\nfrom_s = 40\nto_s = 60\nstudents = [1, 3]\n',
    )
    assert script.name == "talk"
    assert [script.state_at(0, t) for t in (9.9, 10, 49.9, 50)] == [
        State.STEADY,
        State.STRAINED,
        State.STRAINED,
        State.STEADY,
    ]
    assert script.state_at(1, 45) is State.AWAY  # the later one wins
    assert script.state_at(2, 45) is State.STEADY


def test_answers_are_scripted_too(tmp_path):
    script = load(tmp_path, '[[answers]]\nanswer = "lost"\nat_s = 30\n')
    assert script.answers[0].answer is Answer.LOST
    assert script.answers[0].students == (0, 1, 2, 3)


def test_the_shipped_lesson_fits_any_number_of_students():
    assert load_scenario().num_students == 6
    large = load_scenario(num_students=60)
    moment = next(one for one in large.stretches if one.is_moment)
    assert len(moment.students) == 42
    small = load_scenario(num_students=2)
    assert all(number < 2 for one in small.stretches for number in one.students)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fsp = 2", "'fsp' is no setting. Did you mean fps"),
        ("fps = 0", "fps is 0; expected more than 0"),
        ("shift = 2.0", "shift is 2.0; expected 0 to 1"),
        ("noise = -1.0", "noise is -1.0; expected 0 or more"),
        ("fps = 'x'", "of the wrong kind"),
        ("stretches = 3", "stretches is 3; expected [[stretches]] tables"),
        ("stretches = [3]", "stretches. is 3; expected a table"),
        (
            '[[stretches]]\nstate = "bored"\nfrom_s = 1\nto_s = 2',
            "stretches.state is 'bored'; expected one of away",
        ),
        ('[[stretches]]\nstate = "away"\nfrom_s = 1', "A stretch lacks something"),
        (
            '[[stretches]]\nstate = "away"\nfrom_s = 2\nto_s = 1',
            "expected it to end after it begins",
        ),
        (
            '[[stretches]]\nstate = "away"\nfrom_s = 1\nto_s = 2\nstudents = [9]',
            "expected numbers from 0 to 3",
        ),
        (
            '[[stretches]]\nstate = "away"\nfrom_s = 1\nto_s = 2\nstudents = 2.5',
            "students is 2.5; expected",
        ),
        ('[[answers]]\nanswer = "meh"\nat_s = 1', "answers.answer is 'meh'; expected one of lost"),
        ('[[answers]]\nanswer = "ok"', "An answer lacks something"),
        ('[[answers]]\nanswer = "ok"\nat_s = "x"', "An answer lacks something"),
        ('[[answers]]\nanswer = "ok"\nat_s = -1', "An answer comes at -1 s; expected 0 or more"),
        ("seed = -1", "seed is -1; expected a whole number, 0 or more"),
        ("seed = 1.5", "seed is 1.5; expected a whole number, 0 or more"),
        ("fps = inf", "fps is inf; expected a number that is not infinite"),
        ("noise = inf", "noise is inf; expected a number that is not infinite"),
        ("x = = 1", "is not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_script_is_named(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "talk.toml" in str(caught.value)


def test_missing_files_and_numbers_are_named(tmp_path):
    with pytest.raises(ConfigError, match="There is no scenario"):
        load_scenario(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_scenario(tmp_path)
    (tmp_path / "empty.toml").write_text("duration_s = 5")
    with pytest.raises(ConfigError, match="num_students is None; expected a whole number above 0"):
        load_scenario(tmp_path / "empty.toml")


def test_a_seed_below_zero_is_none():
    with pytest.raises(ConfigError, match="seed is -1; expected a whole number, 0 or more"):
        random_lesson(-1)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_lesson_is_fair_to_what_is_to_be_found(seed):
    lesson = random_lesson(seed, num_students=10)
    assert lesson == random_lesson(seed, num_students=10)
    assert lesson != random_lesson(seed + 100, num_students=10)
    assert sorted(one.state for one in lesson.stretches if one.is_moment) == [
        State.AWAY,
        State.STRAINED,
    ]
    assert {one.state for one in lesson.stretches} >= {State.POSITIVE, State.TURNED, State.NO_DATA}
    for student in range(10):
        own = sorted((one.from_s, one.to_s) for one in lesson.stretches if student in one.students)
        assert own[0][0] >= 240  # quiet while the baseline is learned
        assert all(later - before >= 90 for (_, before), (later, _) in itertools.pairwise(own))


def test_a_stretch_needs_its_students_to_exist():
    with pytest.raises(ConfigError, match=r"Students \[5\] are named"):
        Scenario(
            name="x",
            duration_s=10,
            num_students=2,
            stretches=(Stretch(state=State.AWAY, from_s=1, to_s=2, students=(5,)),),
        )
