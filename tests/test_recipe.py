import dataclasses
import os
from pathlib import Path

import pytest

from mien.errors import ConfigError
from mien.recipe import Recipe, load_recipe, nameless, recipe_from_dict

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.toml"))


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("seed = 3\n[train]\nepochs = 2\n[[heads]]\nlabels = 'ferplus'\n")
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_begin_with_their_command(path):
    load_recipe(path)
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# mien train recipes/{path.name}")


def test_a_recipe_whose_name_is_no_text_gives_a_name_that_is(recipe_file, tmp_path):
    named = recipe_file.rename(tmp_path / os.fsdecode(b"tr\xe8s.toml"))
    assert load_recipe(named).name == r"tr\udce8s"


def test_defaults_fill_what_a_recipe_leaves_out(recipe_file):
    recipe = load_recipe(recipe_file)
    assert recipe.name == "mine"
    assert (recipe.seed, recipe.train.epochs, recipe.train.batch_size) == (3, 2, 128)
    assert recipe.heads[0].labels == "ferplus"


def test_options_change_settings_numbers_text_lists_and_list_items(recipe_file):
    recipe = load_recipe(
        recipe_file,
        [
            "train.epochs=7",
            "optimizer.name=adam",
            "train.sizes=[36, 48]",
            "heads.0.weight=2",
            "model.options.widths=[8]",
        ],
    )
    assert recipe.train.epochs == 7
    assert recipe.optimizer.name == "adam"
    assert recipe.train.sizes == (36, 48)
    assert recipe.heads[0].weight == 2.0
    assert recipe.model.options == {"widths": [8]}


@pytest.mark.parametrize("word", ["[" * 100_000, "1" * 5000])
def test_a_value_that_toml_cannot_hold_is_text(recipe_file, word):
    assert load_recipe(recipe_file, [f"data.source={word}"]).data.source == word


def test_a_superscript_is_no_place_in_a_list(recipe_file):
    with pytest.raises(ConfigError, match=r"there is no '²' to change a setting in"):
        load_recipe(recipe_file, ["heads.².weight=2"])


def test_a_resolved_recipe_reads_back_as_itself(recipe_file):
    recipe = load_recipe(recipe_file)
    assert recipe_from_dict(recipe.as_dict(), "again") == recipe


def test_a_typo_suggests_the_nearest_key(recipe_file):
    with pytest.raises(ConfigError, match=r"'train.epoch' is no setting. Did you mean epochs"):
        load_recipe(recipe_file, ["train.epoch=3"])


def test_an_unknown_table_is_named(recipe_file):
    with pytest.raises(ConfigError, match=r"'optimiser' is no setting. Did you mean optimizer"):
        load_recipe(recipe_file, ["optimiser.lr=3"])


def test_an_unknown_choice_lists_the_choices(recipe_file):
    with pytest.raises(ConfigError, match=r"'sdg'; expected one of sgd, adam, adamw. Did you mean"):
        load_recipe(recipe_file, ["optimizer.name=sdg"])


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("train.epochs=2.5", "train.epochs is 2.5; expected a whole number"),
        ("train.epochs=true", "train.epochs is True; expected a whole number"),
        ("train.epochs=0", "train.epochs is 0; expected 1 or more"),
        ("optimizer.lr=fast", "optimizer.lr is 'fast'; expected a number"),
        ("optimizer.lr=-1", "optimizer.lr is -1.0; expected more than 0"),
        ("augment.flip=1", "augment.flip is 1; expected true or false"),
        ("augment.erase=2", "augment.erase is 2.0; expected 0 to 1"),
        ("augment.erase_px=[3]", "expected 2 values"),
        ("train.sizes=48", "train.sizes is 48; expected a list"),
        ("train.sizes=[4]", "expected 8 to 512 px each"),
        ("data=3", "data is 3; expected a table"),
        ("data.valid_fraction=1.0", "data.valid_fraction is 1.0; expected 0 up to 1"),
        ("heads=[]", "heads is empty"),
        ("model.channels=2", "model.channels is 2; expected 1 or 3"),
        ("schedule.factor=1.5", "schedule.factor is 1.5; expected 0 to 1"),
        ("seed=-1", "seed is -1; expected 0 to"),
        ("schedule.warmup_epochs=inf", "schedule.warmup_epochs is inf; expected a finite number"),
        ("schedule.min_lr=nan", "schedule.min_lr is nan; expected a finite number"),
    ],
)
def test_impossible_values_are_named_with_what_was_expected(recipe_file, option, words):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(").replace("[", r"\[")):
        load_recipe(recipe_file, [option])


def test_two_heads_with_the_same_labels_are_refused():
    with pytest.raises(ConfigError, match="heads repeat their labels: fer2013, fer2013"):
        recipe_from_dict(
            {"name": "x", "heads": [{"labels": "fer2013"}, {"labels": "fer2013"}]}, "here"
        )


def test_an_option_without_a_value_says_what_one_looks_like(recipe_file):
    with pytest.raises(ConfigError, match=r"-o train.epochs cannot be read; expected key=value"):
        load_recipe(recipe_file, ["train.epochs"])


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("seed.x=1", "seed is not a table"),
        ("seed.x.y=1", "there is no 'x' to change a setting in"),
        ("heads.5.weight=1", "there is no '5' to change a setting in"),
    ],
)
def test_an_option_for_what_is_no_table_is_refused(recipe_file, option, words):
    with pytest.raises(ConfigError, match=words):
        load_recipe(recipe_file, [option])


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no recipe .*none.toml"):
        load_recipe(tmp_path / "none.toml")


def test_broken_toml_is_named_with_the_line(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[train\n")
    with pytest.raises(ConfigError, match=r"broken.toml is not valid TOML: .*line 1"):
        load_recipe(path)


def test_a_recipe_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "noise.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"noise.toml cannot be read"):
        load_recipe(path)


def test_every_setting_has_a_default_but_the_name():
    without = [
        field.name
        for field in dataclasses.fields(Recipe)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    assert without == ["name"]


def test_a_byte_order_mark_is_no_setting(recipe_file):
    text = recipe_file.read_text(encoding="utf-8")
    recipe_file.write_text(text, encoding="utf-8-sig")
    assert load_recipe(recipe_file).name


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"heads": [{"labels": "fer2013", "min_votes": 3}]}, "min_votes counts FER\\+ votes"),
        (
            {"heads": [{"labels": "own", "mode": "shares"}]},
            "mode says what becomes of FER\\+ votes",
        ),
        (
            {"schedule": {"name": "plateau", "warmup_epochs": 3}},
            "name is plateau, which has no warm-up",
        ),
        (
            {"heads": [{"labels": "ferplus", "mode": "multi_target", "label_smoothing": 0.1}]},
            "label_smoothing spreads one right answer",
        ),
        (
            {
                "heads": [{"labels": "ferplus", "mode": "multi_target"}],
                "augment": {"mixup": 0.2},
            },
            "mixup mixes two targets in parts",
        ),
        (
            {"data": {"size": 24}, "train": {"sizes": [16, 20]}},
            r"train\.sizes are \[16, 20\]; the last must be data\.size, 24",
        ),
    ],
)
def test_settings_that_would_have_no_effect_or_another_are_refused(tables, words):
    with pytest.raises(ConfigError, match=words):
        recipe_from_dict({"name": "new", **tables}, "new")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("init=/home/me/runs/a", "init=a"),
        (
            'distill={teacher = "/home/me/t.safetensors", weight = 0.5}',
            'distill={teacher = "t.safetensors", weight = 0.5}',
        ),
        ('data={source="/home/me/faces",size=24}', 'data={source = "faces", size = 24}'),
        ("distill.teacher=runs/a", "distill.teacher=runs/a"),
        ("train.sizes=[36, 48]", "train.sizes=[36, 48]"),
    ],
)
def test_an_option_for_the_record_says_nothing_of_where_things_are(recipe_file, given, told):
    assert nameless(given) == told
    assert load_recipe(recipe_file, [told]) is not None
