from dataclasses import replace
from pathlib import Path

import pytest

from mien.data.synthetic import draw_faces
from mien.errors import ConfigError
from mien.studies.reading import load_design

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.toml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_shipped_studies_are_valid_and_begin_with_their_command(path):
    from mien.studies.checks import check_networks

    design = load_design(path)
    check_networks(design)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# mien study studies/{path.name} --data PATH"
    assert len(design.seeds) >= 3
    assert design.question.endswith("?")


def test_one_at_a_time_is_the_base_and_each_other_value(design):
    assert [(p.label, dict(p.settings), p.reference) for p in design.points()] == [
        ("relu", {}, ""),
        ("tanh", {"model.options.activation": "tanh"}, "relu"),
    ]


def test_levels_change_several_settings_at_once(write_study_file):
    text = """
question = "Which?"
base = "base.toml"
design = "one_at_a_time"
seeds = [0]
[[factors]]
name = "optimizer"
[factors.levels]
"Adam" = { "optimizer.name" = "adam", "optimizer.lr" = 0.003 }
"SGD" = { "optimizer.name" = "sgd", "optimizer.lr" = 0.1, "heads.0.label_smoothing" = 0.1 }
[[factors]]
name = "epochs"
setting = "train.epochs"
values = [3, 5]
"""
    design = load_design(write_study_file(text))
    assert [point.label for point in design.points()] == ["base", "optimizer=SGD", "epochs=5"]
    recipe = design.recipe(design.points()[1].settings, 7, "x")
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.seed) == ("sgd", 0.1, 7)
    assert recipe.heads[0].label_smoothing == 0.1
    assert recipe.train == design.base.train


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["relu", "tanh"]', '["tanh", "elu"]', "no value of 'activation' is that of the base rec"),
        ("options.activation", "options.activaton", "Did you mean model.options.activation?"),
        ('["relu", "tanh"]', "[]", "'activation' has no values; give it values"),
        ('"tanh"]', '"tanh", "tanh"]', "the value tanh stands there twice"),
        ("seeds = [0, 1]", "seeds = []", "seeds are empty; give at least one, better three"),
        ("seeds = [0, 1]", "seeds = 3", "'seeds' is 3; expected a list"),
        ("seeds = [0, 1]", 'seeds = [0, "a"]', r"seeds are \[0, 'a'\]; expected whole numbers"),
        ("seeds = [0, 1]", "seeds = [0, 20261128090000]", r"seeds are \[0, 2026.*from 0 to 2\^32"),
        ('["relu", "tanh"]', '"relu"', "'factors.values' is 'relu'; expected a list"),
        ('values = ["relu", "tanh"]', "levels = { a = 1 }", "level 'a' of 'activation' is 1; exp"),
        ("seeds = [0, 1]", "seeds = [1, 1]", "a seed stands there twice"),
        ("seeds", "seed", "'seed' is nothing that a study has. Did you mean seeds"),
        ('question = "Which activation is best?"', "", "'question' is missing"),
        ("one_at_a_time", "all", "design is 'all'; expected one of one_at_a_time, grid"),
        ("model.options.activation", "data.size", "changes data.size, which a study keeps"),
        ('design = "one', 'score = "f1"\ndesign = "one', "score is 'f1'; expected one of macro_f1"),
        ('design = "one', 'pruning = "x"\ndesign = "one', "pruning is 'x'; expected none or medi"),
        ('"one_at_a_time"', '"random"', "num_points is missing"),
        (
            'design = "one',
            'num_points = 4\ndesign = "one',
            "num_points is for the designs random a",
        ),
        ('design = "one', 'name = ""\ndesign = "one', "name is empty"),
        (
            "[[fact",
            '[[published]]\nsaid = "x"\naccuracy = 71\n[[fact',
            "accuracy' is 71; expected a sh",
        ),
        ('setting = "model.options.activation"', "", "'activation' changes nothing; give it a se"),
        ("base.toml", "nothing.toml", "There is no recipe .*nothing.toml"),
        ("[0, 1]", "[0, 1", "is not valid TOML"),
    ],
)
def test_a_study_that_cannot_be_run_says_why(write_study_file, old, new, message):
    text = write_study_file().read_text()
    assert old in text
    with pytest.raises(ConfigError, match=message):
        load_design(write_study_file(text.replace(old, new)))


SAMPLED = """
question = "Which rate?"
base = "base.toml"
design = "random"
num_points = 3
seeds = [0]
[[factors]]
name = "rate"
setting = "optimizer.lr"
low = 0.001
high = 0.1
log = true
[[factors]]
name = "activation"
setting = "model.options.activation"
values = ["relu", "tanh"]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("low = 0.001", "low = 1", "'rate' goes from 1 to 0.1; expected a low that is below its h"),
        ("high = 0.1", "high = inf", "'rate' goes from 0.001 to inf"),
        ("low = 0.001", "low = 0.0", r"'rate' begins at 0.0; drawn over orders of magnitude \(log"),
        ("optimizer.lr", "optimizer.rate", "optimizer.rate"),
        ("low = 0.001\nhigh = 0.1\nlog = true", "low = -0.1\nhigh = 0.1", "optimizer.lr is -0.1"),
        ('"optimizer.lr"', '"train.batch_size"', "train.batch_size"),
        ('name = "activation"', 'name = "rate"', "two factors are called 'rate'"),
        ('name = "activation"', 'name = "seed"', "a factor is called 'seed', as --only"),
        (
            'setting = "model.options.activation"\nvalues = ["relu", "tanh"]',
            'setting = "optimizer.lr"\nvalues = [0.003]',
            "'rate' and 'activation' both change optimizer.lr; where their values are combined",
        ),
    ],
)
def test_what_cannot_be_drawn_is_found_before_the_first_run(write_study_file, old, new, message):
    load_design(write_study_file(SAMPLED))
    assert old in SAMPLED
    with pytest.raises(ConfigError, match=message):
        load_design(write_study_file(SAMPLED.replace(old, new)))


def test_a_network_that_may_be_drawn_and_cannot_be_built_is_found(write_study_file):
    from mien.studies.checks import check_networks

    with pytest.raises(ConfigError, match=r"'activation=tahn' cannot be trained: .* mean tanh"):
        check_networks(load_design(write_study_file(SAMPLED.replace("tanh", "tahn"))))


def test_a_byte_order_mark_is_no_setting(write_study_file):
    path = write_study_file()
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert load_design(path).factors


def test_a_missing_study_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no study .*none.toml"):
        load_design(tmp_path / "none.toml")


def test_a_value_that_others_reported_must_be_ours_too(write_study_file):
    text = write_study_file().read_text() + '[[published]]\nlabel = "tahn"\nsaid = "x"\n'
    with pytest.raises(ConfigError, match=r"'tahn' is no value of this study. Did you mean tanh"):
        load_design(write_study_file(text))


def test_an_impossible_setting_is_found_before_the_first_run(write_study_file):
    text = write_study_file().read_text().replace("model.options.activation", "optimizer.rate")
    with pytest.raises(ConfigError, match=r"optimizer.rate"):
        load_design(write_study_file(text))


def test_a_network_that_cannot_be_built_is_found_before_the_first_run(write_study_file):
    from mien.studies.checks import check_networks

    text = write_study_file().read_text().replace('"tanh"]', '"tahn"]')
    with pytest.raises(ConfigError, match=r"'tahn' cannot be trained: .* Did you mean tanh"):
        check_networks(load_design(write_study_file(text)))


def test_faces_too_small_for_a_network_are_found_before_the_first_run(write_study_file):
    from mien.studies.checks import check_networks

    design = load_design(write_study_file(), ["train.sizes=[16, 24]"])
    with pytest.raises(ConfigError, match=r"'relu' cannot be trained: mlp .* faces of 16 px"):
        check_networks(design)


def test_answers_to_one_seed_are_refused_before_the_first_run_of_several(
    write_study_file, tmp_path
):
    from safetensors.numpy import save_file

    from mien.studies.checks import check_teachers

    answers = tmp_path / "answers.safetensors"
    save_file({}, answers, {"mien_answers": "1"})
    design = load_design(write_study_file(), [f"distill.teacher={answers}"])
    assert len(design.seeds) > 1
    with pytest.raises(ConfigError, match=r"answers to the faces of one seed, and the study has"):
        check_teachers(design, draw_faces(5, seed=0))
    check_teachers(replace(design, seeds=(0,)), draw_faces(5, seed=0))


@pytest.mark.slow
def test_a_teacher_that_cannot_read_what_it_will_be_shown_is_found_before_the_first_run(
    write_study_file, tmp_path
):
    from mien.studies.checks import check_networks, check_teachers
    from mien.training.run import train
    from mien.training.run_folder import RunFolder

    class Nobody:
        teacher = begin = batch = epoch = lambda *_: None

    study = write_study_file().read_text()
    base = load_design(write_study_file(), ["train.epochs=1"]).base
    faces = draw_faces(60, seed=0, size=24)
    train(base, faces, RunFolder(tmp_path / "teacher"), Nobody(), device="cpu")
    model = (
        '[model]\nname = "mien_net"\noptions = { widths = [4, 8], depths = [1, 1] }\n[optimizer]'
    )
    before, _, after = (tmp_path / "base.toml").read_text().partition("[model]")
    text = before + model + after.partition("[optimizer]")[2]
    text += f'[distill]\nteacher = "{tmp_path / "teacher"}"\n'
    study = study.replace("model.options.activation", "train.sizes")
    study = study.replace('["relu", "tanh"]', "[[], [16, 24]]")
    design = load_design(write_study_file(study, text))
    check_networks(design)
    with pytest.raises(ConfigError, match=r"'\[16, 24\]' cannot be trained: distill.* of 16 px"):
        check_teachers(design, faces)
    check_teachers(load_design(write_study_file(study, text), ["distill.sees=original"]), faces)
    study = study.replace("train.sizes", "model.channels").replace("[[], [16, 24]]", "[1, 3]")
    with pytest.raises(ConfigError, match=r"the value '3' cannot be trained: .* same size and ch"):
        check_teachers(load_design(write_study_file(study, text)), faces)
    (tmp_path / "teacher/weights.safetensors").unlink()  # a finished study is summed up without
    check_teachers(load_design(write_study_file(study, text)), faces)


@pytest.mark.parametrize("kind", ["one_at_a_time", "grid"])
@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("heads", '[[{ labels = "fer2013" }], [{ labels = "ferplus" }]]'),
        ("heads.0", '[{ labels = "fer2013" }, { labels = "ferplus" }]'),
        ("optimizer", '[{ name = "adam", lr = 0.003 }, { name = "sgd", lr = 0.1 }]'),
        ("model", '[{ name = "mlp", options = { depth = 1, width = 16, activation = "relu" } }]'),
    ],
)
def test_a_table_given_in_part_is_that_of_the_base(write_study_file, kind, setting, values):
    study = write_study_file().read_text().replace("one_at_a_time", kind)
    study = study.replace("model.options.activation", setting)
    design = load_design(write_study_file(study.replace('["relu", "tanh"]', values)))
    first, *others = design.points()
    assert not first.reference
    assert all(point.reference == first.label for point in others)


def test_two_factors_of_a_grid_may_not_undo_each_other_in_a_table(write_study_file):
    study = write_study_file().read_text().replace("one_at_a_time", "grid")
    table = '[[factors]]\nname = "model"\nsetting = "model"\nvalues = [{ name = "mlp" }]\n'
    with pytest.raises(ConfigError, match="'activation' and 'model' both change model; where"):
        load_design(write_study_file(study + table))


def test_a_setting_that_leads_nowhere_is_named(write_study_file):
    study = write_study_file().read_text().replace("model.options.activation", "heads.3.weight")
    with pytest.raises(ConfigError, match=r"has no place for heads\.3\.weight\."):
        load_design(write_study_file(study.replace('["relu", "tanh"]', "[0.5]")))


def test_the_changes_that_a_study_tells_hold_no_folder_of_the_user(write_study_file):
    design = load_design(write_study_file(), ["train.epochs=3", "init=/home/me/runs/a"])
    assert design.changes == ("train.epochs=3", "init=a")
    assert design.base.init == "/home/me/runs/a"
