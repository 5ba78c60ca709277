"""The table of named records behind models, data sets and detectors."""

from dataclasses import dataclass

import pytest

from mien.errors import UnknownNameError
from mien.registry import Registry


@dataclass(frozen=True)
class _Tea:
    name: str
    minutes: int = 3


TEAS = Registry("tea", "mien teas", (_Tea("sencha", 1), _Tea("assam"), _Tea("rooibos", 7)))


def test_entries_are_found_by_name():
    assert TEAS["rooibos"].minutes == 7


def test_entries_keep_the_order_in_which_they_were_given():
    assert TEAS.names == ("sencha", "assam", "rooibos")
    assert [tea.name for tea in TEAS] == list(TEAS.names)
    assert len(TEAS) == 3


def test_membership_is_by_name():
    assert "assam" in TEAS
    assert "asam" not in TEAS


def test_unknown_name_suggests_close_ones():
    with pytest.raises(UnknownNameError) as caught:
        TEAS["asam"]
    assert str(caught.value) == (
        "No tea is called 'asam'. Did you mean assam? List them with: mien teas"
    )


def test_two_entries_of_one_name_are_a_programming_error():
    with pytest.raises(AssertionError, match="two teas share a name"):
        Registry("tea", "mien teas", (_Tea("assam", 1), _Tea("assam", 2)))
