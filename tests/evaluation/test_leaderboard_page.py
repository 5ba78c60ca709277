"""The leaderboard's page: one plot a line on the scale of its table, and nothing from outside."""

import re
from html.parser import HTMLParser

import pytest

from mien.evaluation.leaderboard_entries import Entry, entries
from mien.evaluation.leaderboard_page import leaderboard_html
from mien.evaluation.leaderboard_plot import Scale, interval
from mien.evaluation.published import Published, read_published

PUBLISHED, SEEDS = read_published()


def entry(**changes):
    fields = {
        "name": "n",
        "protocol": "p",
        "is_ours": False,
        "accuracy": 0.7,
        "low": 0.68,
        "high": 0.72,
    }
    return Entry(**{**fields, **changes})


def test_a_scale_holds_every_interval_and_has_round_ticks():
    scale = Scale.over([entry(), entry(accuracy=0.5, low=None, high=None)])
    assert (scale.first, scale.last) == (48, 74)
    assert scale.ticks == [50, 55, 60, 65, 70]
    assert scale.place(48) == 0
    assert scale.place(74) == 100
    assert Scale.over([entry(low=0.69, high=0.71)]).ticks == [68, 69, 70, 71, 72]


@pytest.mark.parametrize(
    ("kind", "shape"), [("ours", "<rect"), ("theirs", "<circle"), ("doubt", "<circle")]
)
def test_an_interval_lies_where_its_figure_does(kind, shape):
    svg = interval(entry(), kind, Scale(60, 80))
    assert f'class="{kind}" x1="40.00%" x2="60.00%"' in svg
    assert shape in svg
    assert "50.00%" in svg
    assert ("stroke-dasharray" in svg) == (kind == "doubt")
    assert "x1" not in re.sub(
        r'<line class="tick"[^>]*>', "", interval(entry(low=None), kind, Scale(60, 80))
    )
    assert interval(entry(accuracy=None), kind, Scale(60, 80)) == ""


def test_the_page_needs_nothing_from_outside_and_is_well_formed():
    page = leaderboard_html(entries([], [*PUBLISHED, *SEEDS]), SEEDS)
    assert not re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=|@import|url\(", page)
    open_tags = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag, _attrs):
            if tag in ("section", "table", "div", "form", "script", "style", "body", "html"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            if tag in ("section", "table", "div", "form", "script", "style", "body", "html"):
                assert open_tags.pop() == tag

    Balance().feed(page)
    assert open_tags == []


def test_each_protocol_has_a_table_of_its_own_and_each_seed_a_line():
    page = leaderboard_html(entries([], [*PUBLISHED, *SEEDS]), SEEDS)
    protocols = {one.protocol for one in (*PUBLISHED, *SEEDS) if one.figure is not None}
    assert set(re.findall(r'<section data-protocol="([^"]+)"', page)) == protocols
    assert page.count("<tr data-name=") == sum(
        one.figure is not None for one in (*PUBLISHED, *SEEDS)
    )
    for seed in SEEDS:
        assert f"<tr><td>{seed.number}. " in page


def test_names_and_notes_are_escaped():
    odd = Published(
        name="<b>&", protocol="p", checked="text", figure=50.0, note='"<i>"', source="https://x?a&b"
    )
    page = leaderboard_html(entries([], [odd]), [])
    assert "&lt;b&gt;&amp;" in page
    assert "<i>" not in page
    assert 'href="https://x?a&amp;b"' in page


def test_doubtful_figures_are_rings_and_say_why():
    chosen = Published(
        name="c", protocol="p", checked="code", figure=50.0, n=100, chosen_on_split=True
    )
    leaked = Published(
        name="l", protocol="p", checked="code", figure=60.0, n=100, leak="https://leak"
    )
    page = leaderboard_html(entries([], [chosen, leaked]), [])
    assert page.count('data-sound="0"') == 2
    assert '<span class="chip yes">chosen on it</span>' in page
    assert '<a class="chip yes" href="https://leak">leak reported</a>' in page
    assert '<span class="chip">extra data?</span>' in page
