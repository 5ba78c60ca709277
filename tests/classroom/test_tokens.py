"""Tokens and receipts: how long they live, what a receipt is exchanged for, who is known while the store is away."""

import re
from datetime import timedelta

import pytest

from mien.classroom.records import LessonRecord, ParticipantRecord
from mien.classroom.store import StoreError
from mien.classroom.tokens import Tokens

KEYS = {"kim": "key-of-kim-0123456789", "lee": "key-of-lee-0123456789"}


@pytest.fixture
def tokens(store, fake_time):
    record = LessonRecord(
        id="l", teacher="kim", title="t", code="C", decision={}, mapping="m",
        started_at=fake_time.now(),
    )  # fmt: skip
    store.add_lesson(record)
    student = ParticipantRecord(
        id="a", lesson="l", tag="TAG", camera="none", consent=None, research=False,
        joined_at=fake_time.now(),
    )  # fmt: skip
    store.add_participant(student)
    return Tokens(store, fake_time.now, KEYS)


def test_a_receipt_is_read_however_it_is_typed_and_is_no_token(tokens, fake_time):
    receipt = tokens.receipt("a", hours=30)
    assert re.fullmatch("[2-9A-HJKMNP-TV-Z]{12}", receipt)
    assert tokens.bearer(receipt) is None
    typed = f" {receipt[:4].lower()}-{receipt[4:8]} {receipt[8:]}"
    token = tokens.from_receipt(typed)
    bearer = tokens.bearer(token)
    assert (bearer.participant, bearer.lesson, bearer.teacher) == ("a", "l", None)
    assert tokens.from_receipt(token) is None
    fake_time.s = 30 * 3600
    assert tokens.from_receipt(receipt) is None


def test_a_receipt_goes_with_its_student(tokens, store):
    receipt = tokens.receipt("a", hours=30)
    store.delete_participant("a")
    assert tokens.from_receipt(receipt) is None


def test_a_receipt_whose_student_goes_while_it_is_read_is_no_receipt_any_more(
    tokens, store, monkeypatch
):
    receipt, find = tokens.receipt("a", hours=30), store.token

    def find_and_delete(digest):
        row = find(digest)
        store.delete_participant("a")
        return row

    monkeypatch.setattr(store, "token", find_and_delete)
    assert tokens.from_receipt(receipt) is None


def test_who_was_known_is_known_while_the_store_is_away(tokens, store, fake_time, monkeypatch):
    student, teacher, unused = (
        tokens.for_participant("a"),
        tokens.for_teacher("kim"),
        tokens.for_teacher("lee"),
    )
    known = tokens.bearer(student)
    signed_out = tokens.bearer(teacher)
    tokens.revoke(signed_out)

    def away(_):
        raise StoreError("The store does not answer.")

    monkeypatch.setattr(store, "token", away)
    assert tokens.bearer(student) == known
    for token in (teacher, unused, "wrong"):
        with pytest.raises(StoreError):
            tokens.bearer(token)
    fake_time.s = timedelta(minutes=15).total_seconds()
    with pytest.raises(StoreError):
        tokens.bearer(student)


def test_a_token_in_use_is_recalled_without_the_store_until_half_its_time_is_over(
    tokens, store, fake_time, monkeypatch
):
    student, teacher = tokens.for_participant("a"), tokens.for_teacher("kim")
    assert tokens.recall(student) is None  # it has not come yet
    known = {token: tokens.bearer(token) for token in (student, teacher)}
    monkeypatch.setattr(store, "token", None)  # nobody asks it
    assert {token: tokens.recall(token) for token in known} == known
    assert tokens.recall("wrong") is None
    fake_time.s = 7.5 * 60 + 1
    assert tokens.recall(student) is None  # the store is to be told that it lives on
    assert tokens.recall(teacher) == known[teacher]
    monkeypatch.undo()
    assert tokens.bearer(student) == known[student]
    assert tokens.bearer(student) == known[student]  # by now it has read how long
    assert tokens.recall(student) == known[student]


@pytest.mark.parametrize("keys", [{"lee": KEYS["lee"]}, {**KEYS, "kim": "another-key-0123456789"}])
def test_who_is_struck_off_the_keys_or_got_another_is_no_teacher_by_an_old_token(
    tokens, store, fake_time, keys
):
    kim, lee = tokens.for_teacher("kim"), tokens.for_teacher("lee")
    assert tokens.bearer(kim).teacher == "kim"
    restarted = Tokens(store, fake_time.now, keys)
    assert restarted.bearer(kim) is None
    assert restarted.recall(kim) is None
    assert restarted.bearer(lee).teacher == "lee"


def test_a_teacher_s_token_ends_with_the_day_however_much_it_is_used(
    tokens, store, fake_time, monkeypatch
):
    token = tokens.for_teacher("kim")
    for minute in range(0, 12 * 60, 20):
        fake_time.s = minute * 60
        assert tokens.bearer(token).teacher == "kim"
    assert tokens.seconds_left(tokens.bearer(token)) == 20 * 60
    fake_time.s = 12 * 3600
    assert tokens.bearer(token) is None
    fake_time.s -= 1
    tokens.bearer(token)
    fake_time.s += 1

    def away(_):
        raise StoreError("The store does not answer.")

    monkeypatch.setattr(store, "token", away)
    assert tokens.recall(token) is None
    with pytest.raises(StoreError):
        tokens.bearer(token)


def test_who_signed_out_or_withdrew_is_not_recalled(tokens):
    student, other = tokens.for_participant("a"), tokens.for_participant("a")
    teacher = tokens.for_teacher("kim")
    for token in (student, other, teacher):
        tokens.bearer(token)
    tokens.forget("a")
    tokens.revoke(tokens.bearer(teacher))
    assert [tokens.recall(token) for token in (student, other, teacher)] == [None] * 3
