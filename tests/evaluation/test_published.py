"""The published figures are read with all that is known of them, and none is there without its source."""

import pytest

from mien.errors import DataError
from mien.evaluation.published import CHECKED, read_published

PUBLISHED, SEEDS = read_published()


@pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: one.name)
def test_every_figure_has_its_source_year_and_protocol(one):
    assert one.source.startswith("https://")
    assert 2013 <= one.year <= 2026
    assert one.figure is not None
    assert one.protocol.startswith(("fer2013-", "ferplus-"))
    assert one.n in {None, 3589, 3153, 7178}
    assert (one.n is None) == one.protocol.endswith("-unknown")


def test_figures_that_are_too_good_say_why():
    by_name = {one.name: one for one in PUBLISHED}
    assert by_name["ResEmoteNet"].leak.startswith("https://")
    assert by_name["LetheSec: ResNet18"].chosen_on_split
    assert by_name["WuJie1010: VGG19"].chosen_on_split
    assert by_name["usef-kh: tuned VGG"].protocol == "fer2013-publictest"
    assert by_name["EmoNeXt-XLarge"].external_data
    assert by_name["Residual Masking Network and six others"].ensemble


def test_all_four_seeds_are_there_with_how_they_are_repeated():
    assert [seed.number for seed in SEEDS] == [1, 2, 3, 4]
    assert all(seed.ours and seed.how for seed in SEEDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[figure", "cannot be read as TOML"),
        ('[[figure]]\nname = "a"\nfigur = 1\n', "'a' has figur; expected some of as_written"),
        ('[[figure]]\nname = "a"\n', "'a' lacks a field: .*protocol"),
        (
            '[[figure]]\nname = "a"\nprotocol = "p"\nchecked = "no"\n',
            "is checked 'no'; expected one",
        ),
        (
            '[[figure]]\nname = "a"\nprotocol = "p"\nchecked = "code"\nfigure = 0.7\n\n[[figure]]\nname = "b"\n'
            'protocol = "p"\nchecked = "code"\nfigure = 101.0\n',
            "'b' has a figure of 101.0; expected percent",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, message):
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_published(tmp_path / "p.toml")


def test_how_far_figures_were_followed_is_one_of_three():
    assert {one.checked for one in (*PUBLISHED, *SEEDS)} <= set(CHECKED)
