import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mien.errors import ConfigError
from mien.studies import ledger as ledger_module
from mien.studies.design import NOT_COMPARED, with_defaults
from mien.studies.leases import FileLeases, JournalLock
from mien.studies.ledger import open_ledger
from mien.studies.memory import MemoryKills
from mien.studies.reading import load_design
from mien.studies.sampling import next_point
from mien.studies.storage import read_journal

RESULT = {"state": "finished", "detail": "", "scores": {"macro_f1": 0.5}}
ALL = lambda _: True  # noqa: E731 - the filter that lets every run through


@pytest.fixture(params=["journal", "postgres"])
def storage(request):
    """Where the runs are written: a file in the study's folder, or a real PostgreSQL."""
    return "" if request.param == "journal" else request.getfixturevalue("postgres_url")


@pytest.fixture
def open_again(design, tmp_path, storage):
    """Return a function that opens the same study once more, as another process would."""
    opened = []

    def open_one(other=None):
        ledger = open_ledger(other or design, "d" * 64, tmp_path / "study", storage)
        opened.append(ledger)
        return ledger

    yield open_one
    for ledger in opened:
        ledger.close()


def test_every_run_is_given_out_once(open_again):
    one, other = open_again(), open_again()
    taken = [ledger.claim(ALL) for ledger in (one, other, one, other)]
    assert sorted((run.point.label, run.seed) for run in taken) == [
        ("relu", 0),
        ("relu", 1),
        ("tanh", 0),
        ("tanh", 1),
    ]
    assert [run.seed for run in taken] == [0, 0, 1, 1]  # every value once before any twice
    assert one.claim(ALL) is None
    assert other.claim(ALL) is None


def test_a_run_whose_process_is_gone_is_taken_up_again(open_again):
    gone, other = open_again(), open_again()
    lost = gone.claim(ALL)
    gone.close()
    again = other.claim(ALL)
    assert (again.number, again.state) == (lost.number, "running")


def test_deaths_for_memory_are_counted_and_no_others(open_again, monkeypatch):
    kills = [5]
    monkeypatch.setattr(
        ledger_module, "memory_kills", lambda: MemoryKills(boot="x", count=kills[0])
    )
    deaths = []
    # Killed for memory; killed otherwise; stopped in good order while others were killed; killed for memory again.
    for rise, is_stopped in ((1, False), (0, False), (1, True), (1, False), (0, False)):
        ledger = open_again()
        run = ledger.claim(lambda run: (run.point.label, run.seed) == ("relu", 0))
        deaths.append(run.memory_deaths)
        kills[0] += rise
        if is_stopped:
            ledger.give_back(run)
        ledger.close()
    assert deaths == [0, 1, 1, 1, 2]


def test_an_ended_run_is_never_given_out_again(open_again):
    one, other = open_again(), open_again()
    run = one.claim(ALL)
    one.finish(run, RESULT)
    assert run.number not in {other.claim(ALL).number for _ in range(3)}
    assert other.claim(ALL) is None
    ended = next(r for r in other.runs() if r.number == run.number)
    assert (ended.state, ended.result) == ("ended", RESULT)


def test_a_process_that_died_between_result_and_end_is_not_asked_twice(open_again, monkeypatch):
    one, other = open_again(), open_again()
    run = one.claim(ALL)
    monkeypatch.setattr(type(one), "_tell", lambda *_: None)
    one.finish(run, RESULT)
    monkeypatch.undo()
    assert other.claim(ALL).number != run.number
    assert next(r for r in other.runs() if r.number == run.number).state == "ended"


def test_failures_and_pruned_runs_end_too(open_again):
    ledger = open_again()
    for state in ("diverged", "pruned"):
        ledger.finish(ledger.claim(ALL), {"state": state, "detail": "", "scores": None})
    assert [run.result["state"] for run in ledger.runs() if run.state == "ended"] == [
        "diverged",
        "pruned",
    ]


def test_what_is_frozen_may_not_change(open_again, write_study_file, storage):
    open_again()
    other = load_design(write_study_file(), ["optimizer.lr=0.1"])
    message = r"holds the study 'small', begun with another optimizer\.lr \(0\.003, now 0\.1\)\. Frozen as"
    with pytest.raises(ConfigError, match=message) as caught:
        open_again(other)
    elsewhere = "give the study another name." if storage else "choose another --out."
    assert str(caught.value).endswith(elsewhere)


def test_a_setting_that_is_new_in_mien_does_not_end_an_old_study(design):
    frozen = design.frozen("d" * 64)
    old = {**frozen, "train": {k: v for k, v in frozen["train"].items() if k != "ema"}}
    assert old != frozen
    assert with_defaults(old) == frozen


def test_values_and_seeds_may_be_added(open_again, write_study_file):
    ledger = open_again()
    ledger.finish(ledger.claim(ALL), RESULT)
    text = (write_study_file()).read_text()
    more = text.replace("[0, 1]", "[0, 1, 2]").replace('"tanh"]', '"tanh", "elu"]')
    bigger = open_again(load_design(write_study_file(more)))
    assert bigger.claim(ALL) is not None
    states = [run.state for run in bigger.runs()]
    assert len(states) == 9
    assert states.count("ended") == 1


def test_a_factor_that_is_added_is_known_to_the_runs_before_it(open_again, write_study_file):
    rate = '[[factors]]\nname = "rate"\nsetting = "optimizer.lr"\nvalues = [0.003, 0.01]\n'
    epochs = '[[factors]]\nname = "epochs"\nsetting = "train.epochs"\nvalues = [3, 5]\n'
    text = write_study_file().read_text() + rate
    ledger = open_again(load_design(write_study_file(text)))
    ledger.finish(ledger.claim(ALL), RESULT)
    more = open_again(load_design(write_study_file(text + epochs)))
    assert more.claim(lambda run: run.point.values["epochs"] == "5") is not None
    first = next(run for run in more.runs() if run.state == "ended")
    assert first.point.values == {"activation": "relu", "rate": "0.003", "epochs": "3"}


@pytest.mark.parametrize("kind", ["one_at_a_time", "grid"])
def test_runs_are_found_under_the_names_that_a_second_factor_gives_them(
    open_again, write_study_file, kind
):
    text = write_study_file().read_text().replace("one_at_a_time", kind)
    ledger = open_again(load_design(write_study_file(text)))
    taken = [ledger.claim(ALL) for _ in range(4)]
    assert [run.point.label for run in taken] == ["relu", "tanh", "relu", "tanh"]
    for run in taken[:3]:
        ledger.finish(run, RESULT)
    ledger.give_back(taken[3])
    epochs = '[[factors]]\nname = "epochs"\nsetting = "train.epochs"\nvalues = [3, 5]\n'
    more = open_again(load_design(write_study_file(text + epochs)))
    old = ["relu · 3", "tanh · 3"] if kind == "grid" else ["base", "activation=tanh"]
    next_one = more.claim(ALL)
    assert (next_one.number, next_one.point.label, next_one.seed) == (3, old[1], 1)
    ended = [run.point for run in more.runs() if run.state == "ended"]
    assert [point.label for point in ended] == [*old, old[0]]
    assert ended[1].values == {"activation": "tanh", "epochs": "3"}
    assert ended[1].reference == old[0]
    assert len(more.runs()) == (8 if kind == "grid" else 6)


@pytest.mark.parametrize(
    "kind", ['design = "one_at_a_time"', 'design = "grid"', 'design = "random"\nnum_points = 2']
)
def test_a_label_may_not_come_to_mean_other_settings(open_again, write_study_file, kind):
    study = write_study_file().read_text().partition("[[factors]]")[0]
    study = study.replace('design = "one_at_a_time"', kind)
    levels = """[[factors]]
name = "width"
[factors.levels]
"narrow" = { "model.options.width" = 16 }
"wide" = { "model.options.width" = 32 }
"""
    ledger = open_again(load_design(write_study_file(study + levels)))
    while run := ledger.claim(ALL):
        ledger.finish(run, RESULT)
    ledger.close()
    changed = load_design(write_study_file(study + levels.replace("32", "64")))
    with pytest.raises(
        ConfigError, match=r"runs of the value '(width=)?wide' were made with .*32.* .*64"
    ):
        open_again(changed)


CHILD = """
import sys, time
from pathlib import Path
from mien.studies.design import with_defaults
from mien.studies.reading import load_design
from mien.studies.ledger import open_ledger
ledger = open_ledger(load_design(Path(sys.argv[1])), "d" * 64, Path(sys.argv[2]), sys.argv[3])
print(ledger.claim(lambda run: run.seed == 0).number, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_killed_process_gives_its_run_back(open_again, design, tmp_path, storage):
    words = [design.source, str(tmp_path / "study"), storage]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, text=True
    )
    number = int(child.stdout.readline())
    ledger = open_again()
    assert ledger.claim(lambda run: run.number == number) is None
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    again = ledger.claim(lambda run: run.number == number)
    until = time.monotonic() + 60
    while again is None:  # PostgreSQL notices the end of a connection a moment later
        assert time.monotonic() < until
        time.sleep(0.05)
        again = ledger.claim(lambda run: run.number == number)
    assert again.number == number


def test_half_a_line_in_the_journal_is_cut_off(design, tmp_path):
    ledger = open_ledger(design, "d" * 64, tmp_path)
    ledger.claim(ALL)
    ledger.close()
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"op_code": 5, "torn')
    again = open_ledger(design, "d" * 64, tmp_path)
    assert again.claim(ALL) is not None
    again.close()
    for line in (tmp_path / "journal.jsonl").read_text().splitlines():
        json.loads(line)


def test_two_studies_do_not_share_a_folder(design, tmp_path):
    open_ledger(design, "d" * 64, tmp_path).close()
    other = dataclasses.replace(design, name="renamed")
    with pytest.raises(
        ConfigError, match=r"holds the study 'small', and this one is called 'renamed'"
    ):
        open_ledger(other, "d" * 64, tmp_path)
    open_ledger(design, "d" * 64, tmp_path).close()  # its leases were given back


@pytest.mark.parametrize("line", [b"\xff\xfe no text\n", b"{} {\n", b'{"op_code": 99}\n'])
def test_a_damaged_journal_is_named(design, tmp_path, line):
    open_ledger(design, "d" * 64, tmp_path).close()
    journal = tmp_path / "journal.jsonl"
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([first, line, *rest]))
    with pytest.raises(ConfigError, match=r"journal\.jsonl is damaged: .*choose another --out"):
        open_ledger(design, "d" * 64, tmp_path)


def test_the_journal_s_lock_leaves_whole_lines_alone(tmp_path):
    journal = tmp_path / "journal.jsonl"
    journal.write_text("{}\n{}\n")
    with JournalLock(journal):
        assert journal.read_text() == "{}\n{}\n"


def test_a_lease_is_held_by_one(tmp_path):
    one, other = FileLeases(tmp_path), FileLeases(tmp_path)
    assert one.acquire("x")
    assert not one.acquire("x")
    assert not other.acquire("x")
    one.release("x")
    assert other.acquire("x")
    assert one.acquire("y")
    other.close()
    assert one.acquire("x")


def test_another_kind_of_storage_is_refused(design, tmp_path):
    with pytest.raises(
        ConfigError, match=r"sqlite://… is no storage for studies; expected postgre"
    ):
        open_ledger(design, "d" * 64, tmp_path, "sqlite:///x.db")


def test_a_database_that_is_not_there_is_named_without_its_password(design, tmp_path):
    pytest.importorskip("psycopg")
    url = "postgresql://me:secret@127.0.0.1:1/nothing"
    with pytest.raises(ConfigError, match=r"127.0.0.1:1/nothing cannot be used") as caught:
        open_ledger(design, "d" * 64, tmp_path, url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["me:secret@host:abc/db", "me:secret@host:54x2/db"])
def test_an_address_that_is_none_is_refused_without_its_password(address, design, tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(ConfigError, match=r"no address of a database; expected .*:5432") as caught:
        open_ledger(design, "d" * 64, tmp_path, f"postgresql://{address}")
    assert "secret" not in str(caught.value)


SAMPLED = """
question = "Which rate and width?"
base = "base.toml"
design = "random"
num_points = 3
seeds = [0, 1]
[[factors]]
name = "rate"
setting = "optimizer.lr"
low = 1e-4
high = 1e-1
log = true
[[factors]]
name = "activation"
setting = "model.options.activation"
values = ["relu", "tanh"]
"""


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampler_draws_so_many_points_each_for_every_seed(sampler, write_study_file, tmp_path):
    sampled = load_design(write_study_file(SAMPLED.replace("random", sampler)))
    drawn = []
    for place in ("one", "other"):
        ledger = open_ledger(sampled, "d" * 64, tmp_path / place)
        while run := ledger.claim(ALL):
            ledger.finish(run, RESULT)
        runs = ledger.runs()
        assert len(runs) == 6
        labels = {run.point.label for run in runs}
        assert len(labels) == 3
        assert all({r.seed for r in runs if r.point.label == x} == {0, 1} for x in labels)
        assert {run.point.reference for run in runs} == {NOT_COMPARED}
        assert all(1e-4 <= run.point.settings["optimizer.lr"] <= 1e-1 for run in runs)
        recipe = sampled.recipe(runs[0].point.settings, 0, "x")
        assert recipe.optimizer.lr == runs[0].point.settings["optimizer.lr"]
        drawn.append([run.point for run in runs])
        ledger.close()
    assert drawn[0] == drawn[1]


def test_a_sampler_knows_the_runs_of_a_seed_that_is_added(write_study_file, tmp_path):
    import optuna

    for seeds in ("[0]", "[0, 1]"):
        text = SAMPLED.replace("[0, 1]", seeds).replace("random", "tpe")
        ledger = open_ledger(load_design(write_study_file(text)), "d" * 64, tmp_path / "study")
        while run := ledger.claim(ALL):
            ledger.finish(run, RESULT)
        ledger.close()
    study = optuna.load_study(study_name="small", storage=read_journal(tmp_path / "study"))
    params = [trial.params for trial in study.get_trials()]
    assert len(params) == 6
    assert params[3:] == params[:3]


def test_a_date_may_be_the_seed_of_a_sampled_study(write_study_file, tmp_path):
    text = SAMPLED.replace("seeds = [0, 1]", "seeds = [20261127]")
    ledger = open_ledger(load_design(write_study_file(text)), "d" * 64, tmp_path / "one")
    assert ledger.claim(lambda _: True).seed == 20261127


def test_one_seed_of_a_sampled_study_is_drawn_to_its_end(write_study_file, tmp_path):
    sampled = load_design(write_study_file(SAMPLED))
    ledger = open_ledger(sampled, "d" * 64, tmp_path / "one")
    while run := ledger.claim(lambda run: run.seed == 0):
        ledger.finish(run, RESULT)
    states = [(run.seed, run.state) for run in ledger.runs()]
    assert sorted(states) == [(0, "ended")] * 3 + [(1, "waiting")] * 3
    ledger.close()


def test_a_small_space_ends_when_all_of_it_is_drawn(write_study_file, tmp_path):
    text = SAMPLED[: SAMPLED.index("[[factors]]")] + SAMPLED[SAMPLED.rindex("[[factors]]") :]
    ledger = open_ledger(load_design(write_study_file(text)), "d" * 64, tmp_path / "small")
    while run := ledger.claim(ALL):
        ledger.finish(run, RESULT)
    assert {run.point.label for run in ledger.runs()} == {"activation=relu", "activation=tanh"}
    assert load_design(write_study_file(text)).num_to_draw == 2
    assert load_design(write_study_file(SAMPLED)).num_to_draw == 3
    ledger.close()


@pytest.mark.slow
def test_a_sampler_that_draws_the_same_again_and_again_comes_to_every_combination(
    write_study_file, tmp_path
):
    """After ten runs ``tpe`` draws nothing but what was best; three seeds of six values ended it after the fourth."""
    text = (
        SAMPLED[: SAMPLED.index("[[factors]]")]
        .replace("random", "tpe")
        .replace("num_points = 3", "num_points = 6")
        .replace("seeds = [0, 1]", "seeds = [0, 1, 2]")
    )
    factor = '[[factors]]\nname = "epochs"\nsetting = "train.epochs"\nlow = 1\nhigh = 6\n'
    ledger = open_ledger(load_design(write_study_file(text + factor)), "d" * 64, tmp_path / "all")
    while run := ledger.claim(ALL):
        score = {"macro_f1": run.point.settings["train.epochs"] / 6}
        ledger.finish(run, {**RESULT, "scores": score})
    drawn = sorted(run.point.settings["train.epochs"] for run in ledger.runs())
    assert drawn == sorted([1, 2, 3, 4, 5, 6] * 3)
    ledger.close()


def test_the_next_point_is_one_of_those_left_and_none_where_none_is(write_study_file):
    text = SAMPLED.replace("low = 1e-4\nhigh = 1e-1\nlog = true", "values = [0.1, 0.2, 0.3]")
    design = load_design(write_study_file(text))
    known = set()
    while found := next_point(design, known, draw=1):
        point, values = found
        assert point.values == values
        assert point.settings["optimizer.lr"] == float(values["rate"])
        known.add(point.label)
    assert len(known) == 6
    assert next_point(load_design(write_study_file(SAMPLED)), set(), draw=1) is None


def test_median_pruning_ends_what_is_behind(write_study_file, tmp_path):
    text = (
        write_study_file()
        .read_text()
        .replace("seeds = [0, 1]", 'seeds = [0, 1, 2, 3]\npruning = "median"')
    )
    ledger = open_ledger(load_design(write_study_file(text)), "d" * 64, tmp_path / "pruned")
    for _ in range(6):  # the pruner waits for five whole runs
        run = ledger.claim(ALL)
        assert not ledger.report(run, 0.5, 1)
        ledger.finish(run, RESULT)
    assert ledger.report(ledger.claim(ALL), 0.1, 1)
    good = ledger.claim(ALL)
    assert not ledger.report(good, 0.6, 1)
    # A run that goes on trains an epoch again: that is no second judgement, whatever comes.
    assert not ledger.report(good, 0.1, 1)
    ledger.close()
