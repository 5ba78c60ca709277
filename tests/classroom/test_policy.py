import itertools
import json
import logging

import pytest

from mien.classroom.jurisdictions import COUNTRIES, EU_OR_EEA, parse_jurisdictions
from mien.classroom.policy import REASONS, Context, Decision, Mode, Rule, decide
from mien.errors import ConfigError

PLACES = ["KR", "US", "GB", "CH", "DE", "FR", "GP", "NO", "LI", "EU", "EEA", "KR,DE", "US,KR"]
PROHIBITED = {"DE", "FR", "GP", "NO", "LI", "EU", "EEA", "KR,DE"}


# The law, written down a second time as plainly as it can be: what is done for what was asked.
def expected(place, context, mode):
    if mode == "research" and context != "research":
        return "refused"
    if place in PROHIBITED and context in ("education", "workplace"):
        return "presence"
    return mode


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("context", ["education", "workplace", "research", "personal"])
@pytest.mark.parametrize("mode", ["presence", "self-view", "class", "research"])
def test_every_combination(place, context, mode):
    outcome = expected(place, context, mode)
    if outcome == "refused":
        with pytest.raises(ConfigError, match="goes with the context research only"):
            decide(place, context, mode)
        return
    decision = decide(place, context, mode)
    assert decision.mode.value == outcome
    assert decision.requested.value == mode
    assert decision.expressions_allowed == (outcome != "presence")
    assert decision.aggregates_allowed == (outcome in ("presence", "class", "research"))
    assert decision.export_allowed == (outcome == "research")
    assert decision.is_lowered == (outcome != mode)
    is_prohibited = place in PROHIBITED and context in ("education", "workplace")
    assert (decision.rule is Rule.EU_PROHIBITED) == is_prohibited


def test_the_table_above_walks_every_context_and_mode():
    assert [one.value for one in Context] == ["education", "workplace", "research", "personal"]
    assert [one.value for one in Mode] == ["presence", "self-view", "class", "research"]


@pytest.mark.parametrize("place", sorted(EU_OR_EEA))
def test_no_place_in_the_eu_or_eea_ever_reads_expressions_in_a_class(place):
    for mode in ("presence", "self-view", "class"):
        assert not decide(place.lower(), "education", mode).expressions_allowed


def test_the_lists_of_countries():
    assert len(COUNTRIES) == 249  # ISO 3166-1
    members = {code for code in EU_OR_EEA if code in COUNTRIES}
    elsewhere = {"AX", "GF", "GP", "MF", "MQ", "RE", "YT"}
    assert len(members - elsewhere) == 27 + 3
    assert members - COUNTRIES == set()
    assert EU_OR_EEA - members == {"EU", "EEA"}
    assert EU_OR_EEA.isdisjoint({"GB", "CH", "KR", "US"})


def test_the_strictest_of_several_places_decides_in_any_order():
    for order in itertools.permutations(["kr", "us", "el"]):
        decision = decide(" , ".join(order), "education", "class")
        assert decision.jurisdictions == ("GR", "KR", "US")  # EL is how the EU itself calls Greece
        assert decision.mode is Mode.PRESENCE


def test_a_typing_error_does_not_lead_out_of_the_eu():
    with pytest.raises(
        ConfigError, match="The jurisdiction 'D' is unknown; expected a country's two letters"
    ):
        decide("D", "education", "class")
    with pytest.raises(ConfigError, match="'GERMANY' is unknown"):
        decide("Germany", "education", "class")
    with pytest.raises(ConfigError, match="'' is unknown"):
        parse_jurisdictions("KR,")


@pytest.mark.parametrize(
    ("given", "missing", "there"),
    [
        ((None, "education", "class"), "jurisdiction (where", "context ("),
        (("KR", "", "class"), "context (education, workplace, research, personal)", "mode ("),
        (("KR", "education", "  "), "mode (presence, self-view, class, research)", "context ("),
    ],
)
def test_what_is_not_set_stops_the_start_and_is_named(given, missing, there):
    with pytest.raises(ConfigError, match="does not start before it is told") as caught:
        decide(*given)
    assert missing in str(caught.value)
    assert there not in str(caught.value)
    assert "MIEN_CLASSROOM_JURISDICTION" in str(caught.value)


def test_an_unknown_mode_or_context_suggests_the_nearest():
    with pytest.raises(
        ConfigError, match=r"The mode is 'clas'; expected one of .* Did you mean class"
    ):
        decide("KR", "education", "clas")
    with pytest.raises(ConfigError, match=r"The context is 'school'; expected one of education"):
        decide("KR", "school", "class")


def test_the_decision_is_logged_louder_where_less_is_done_than_asked(caplog):
    with caplog.at_level(logging.INFO, logger="mien.classroom.policy"):
        decide("KR", "education", "class")
        decide("DE", "education", "class")
    as_asked, lowered = caplog.records
    assert as_asked.levelno == logging.INFO
    assert lowered.levelno == logging.WARNING
    assert "'requested': 'class', 'mode': 'presence'" in lowered.getMessage()


def test_the_record_is_json_and_says_why_in_both_languages():
    decision = decide("DE", "education", "class")
    record = json.loads(json.dumps(decision.as_dict()))
    assert record["rule"] == "eu_prohibited"
    assert record["jurisdictions"] == ["DE"]
    assert "Art. 5(1)(f)" in decision.reason()
    assert "제5조" in decision.reason("ko")
    assert {rule: set(texts) for rule, texts in REASONS.items()} == {r: {"en", "ko"} for r in Rule}


def test_a_decision_cannot_be_changed_afterwards():
    decision = decide("DE", "education", "class")
    assert isinstance(decision, Decision)
    with pytest.raises(AttributeError):
        decision.mode = Mode.CLASS
