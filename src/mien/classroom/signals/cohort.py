"""Who may be counted together, so that no two published counts can be held against each other to single anybody out.

Students are counted in groups of k or more that are published as a whole or not at all. A newcomer waits until k wait;
who leaves takes so many of the group out of the count that k go at once. A group is only ever cut into parts of k or
more, so every set that was ever published is a union of the groups that there are at the end, and whatever is added or
subtracted of published counts, what comes out is sums over k or more students. It asks only who is there, never what
anybody's face showed: what is left out tells nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Cohort"]


@dataclass(slots=True)
class _Group:
    """Students who are counted together."""

    members: list[str]
    """Sorted, those who are absent at the moment among them."""
    num_withdrawn: int = 0
    """Of those who withdrew only the number is kept. They never come back, so the group is never counted again."""
    was_published: bool = False
    """Before a group is published it holds no secret, and can be dissolved."""


class Cohort:
    """The groups of one lesson."""

    def __init__(self, min_students: int) -> None:
        """Begin without anybody.

        Args:
            min_students: k.
        """
        self._k = min_students
        self._present: set[str] = set()
        self._groups: list[_Group] = []
        self._is_closed = False

    @property
    def present(self) -> frozenset[str]:
        """Everybody who is there, counted or not."""
        return frozenset(self._present)

    @property
    def counted(self) -> frozenset[str]:
        """Those whose states may be published in sum: none, or k and more."""
        return frozenset(
            name for group in self._groups if self._is_whole(group) for name in group.members
        )

    def join(self, student: str) -> None:
        """Somebody is there, for the first time or again."""
        self._present.add(student)

    def leave(self, student: str) -> None:
        """Somebody is gone, and may come back."""
        self._present.discard(student)

    def withdraw(self, student: str) -> None:
        """Somebody takes their consent back: they are forgotten."""
        self._present.discard(student)
        for group in self._groups:
            if student in group.members:
                group.members.remove(student)
                group.num_withdrawn += 1

    def close(self) -> None:
        """Count nobody any more: it was forgotten who has been counted together."""
        self._groups, self._is_closed = [], True

    def admit(self) -> None:
        """Make a group of those who wait, if they are enough."""
        if self._is_closed:
            return
        grouped = {name for group in self._groups for name in group.members}
        waiting = sorted(self._present - grouped)
        if len(waiting) >= self._k:
            self._groups.append(_Group(waiting))

    def settle(self) -> None:
        """Part every group that lacks somebody from k or more of its members, so that the others can be counted on."""
        groups = []
        for group in self._groups:
            if self._is_whole(group):
                groups.append(group)
            elif group.was_published:
                groups += self._parted(group)
            # A group that was never published is dissolved; its members wait again.
        self._groups = groups

    def mark_published(self) -> None:
        """Remember that the groups that are counted now have been published."""
        for group in self._groups:
            group.was_published = group.was_published or self._is_whole(group)

    def _is_whole(self, group: _Group) -> bool:
        return group.num_withdrawn == 0 and self._present.issuperset(group.members)

    def _parted(self, group: _Group) -> list[_Group]:
        absent = [name for name in group.members if name not in self._present]
        here = [name for name in group.members if name in self._present]
        # Ids are random, so the first of them are as good as drawn; drawn by state, they would tell it.
        num_companions = max(0, self._k - len(absent) - group.num_withdrawn)
        if len(here) - num_companions < self._k:
            return [group]
        resting = _Group(sorted(absent + here[:num_companions]), group.num_withdrawn, True)
        return [resting, _Group(here[num_companions:], 0, True)]

    def as_dict(self) -> dict[str, Any]:
        """Return who is there and how they are grouped, for JSON."""
        return {
            "present": sorted(self._present),
            "groups": [asdict(group) for group in self._groups],
            "is_closed": self._is_closed,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `as_dict` returned."""
        self._present = set(saved["present"])
        self._groups = [_Group(**group) for group in saved["groups"]]
        self._is_closed = saved.get("is_closed", False)  # unknown to an older version
