"""What a live class may do, where and for what. Decided once, before anything is opened; no option overrides it.

It encodes a reading of the law with a date, for engineers; docs/classroom.md has the sources. It is not legal advice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from mien.classroom.jurisdictions import EU_OR_EEA, parse_jurisdictions
from mien.errors import ConfigError, suggestion

__all__ = ["REASONS", "RULES_DATE", "Context", "Decision", "Mode", "Rule", "decide"]

logger = logging.getLogger(__name__)

RULES_DATE = "2026-11-22"
"""When the rules below were last compared with the law."""


class Context(StrEnum):
    """What the students are there for."""

    EDUCATION = "education"
    WORKPLACE = "workplace"
    RESEARCH = "research"
    PERSONAL = "personal"


class Mode(StrEnum):
    """What is computed, and who sees it."""

    PRESENCE = "presence"
    """No expression model: faces are counted as there or not, students tap how it goes."""
    SELF_VIEW = "self-view"
    """Each student sees their own signals; nobody sees anybody else's, not even in sum."""
    CLASS = "class"
    """The teacher sees the class in aggregate too."""
    RESEARCH = "research"
    """As class, and those who agreed to it are exported under pseudonyms."""


Choice = TypeVar("Choice", bound=StrEnum)


class Rule(StrEnum):
    """Which rule decided."""

    AS_ASKED = "as_asked"
    """Nothing speaks against the mode."""
    EU_PROHIBITED = "eu_prohibited"
    """Regulation (EU) 2024/1689, Art. 5(1)(f): no emotion inference at work and in education."""


REASONS = {  # rule -> English, Korean: what pages and logs say
    Rule.AS_ASKED: {
        "en": "The mode is as it was asked for.",
        "ko": "요청한 모드 그대로 실행합니다.",
    },
    Rule.EU_PROHIBITED: {
        "en": "Inferring emotions in education and at work is prohibited in the EU and the EEA "
        "(AI Act, Art. 5(1)(f), since 2 February 2025), with consent too. Only presence is shown; no expression model is opened.",
        "ko": "EU와 EEA에서는 교육 및 직장에서 감정을 추론하는 것이 금지되어 있습니다"
        "(AI법 제5조 제1항 (f)호, 2025년 2월 2일부터). 동의가 있어도 마찬가지입니다. 자리에 있는지만 표시하며 표정 모델은 열지 않습니다.",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was asked, what is done, and why. It is logged, and stands in every report."""

    jurisdictions: tuple[str, ...]
    """ISO 3166-1 codes of where the people are, or EU, EEA; the strictest decides."""
    context: Context
    requested: Mode
    mode: Mode
    """What is done; never more than was requested."""
    rule: Rule
    rules_date: str = RULES_DATE

    @property
    def is_lowered(self) -> bool:
        """Whether less is done than was asked for."""
        return self.mode is not self.requested

    @property
    def expressions_allowed(self) -> bool:
        """Whether an expression model may be opened at all."""
        return self.mode is not Mode.PRESENCE

    @property
    def aggregates_allowed(self) -> bool:
        """Whether a teacher may see the class in aggregate; in presence mode, who is there and who is away."""
        return self.mode is not Mode.SELF_VIEW

    @property
    def export_allowed(self) -> bool:
        """Whether consented, pseudonymous rows may be exported."""
        return self.mode is Mode.RESEARCH

    def reason(self, lang: str = "en") -> str:
        """Return why, for people; ``lang`` is ``en`` or ``ko``."""
        return REASONS[self.rule][lang]

    def line(self) -> str:
        """Return the record on one line, for whoever starts the server; an impact assessment quotes it."""
        where = ", ".join(self.jurisdictions)
        return (
            f"mode {self.mode.value}, asked for: {self.requested.value}; {where}; {self.context.value}; "
            f"rule {self.rule.value} of {self.rules_date}. {self.reason()}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the record, for the log, the audit and reports."""
        return {
            "jurisdictions": list(self.jurisdictions),
            "context": self.context.value,
            "requested": self.requested.value,
            "mode": self.mode.value,
            "rule": self.rule.value,
            "reason": self.reason(),
            "rules_date": self.rules_date,
        }


def decide(jurisdiction: str | None, context: str | None, mode: str | None) -> Decision:
    """Decide what a live class may do.

    Args:
        jurisdiction: Where teacher and students are: a country's code, or several with commas between (``"KR,DE"``).
        context: A `Context`.
        mode: A `Mode`.

    Returns:
        The decision; it has been logged. In the EU and the EEA education and work get presence, whatever was asked.

    Raises:
        ConfigError: If one of the three is not set or unknown, or the mode does not go with the context.
    """
    asked = {
        "jurisdiction": (jurisdiction, "where teacher and students are, for example KR, or KR,DE"),
        "context": (context, _listed(Context)),
        "mode": (mode, _listed(Mode)),
    }
    given = {name: (value or "").strip() for name, (value, _) in asked.items()}
    missing = [f"{name} ({hint})" for name, (_, hint) in asked.items() if not given[name]]
    if missing:
        raise ConfigError(
            f"The classroom does not start before it is told: {'; '.join(missing)}. "
            "Set --jurisdiction, --context and --mode, or the variables MIEN_CLASSROOM_JURISDICTION, "
            "MIEN_CLASSROOM_CONTEXT and MIEN_CLASSROOM_MODE."
        )
    decision = _apply(
        parse_jurisdictions(given["jurisdiction"]),
        _named(Context, given["context"]),
        _named(Mode, given["mode"]),
    )
    level = logging.WARNING if decision.is_lowered else logging.INFO
    logger.log(level, "Classroom policy: %s", decision.as_dict())
    return decision


def _apply(jurisdictions: tuple[str, ...], context: Context, requested: Mode) -> Decision:
    if requested is Mode.RESEARCH and context is not Context.RESEARCH:
        raise ConfigError(
            f"The mode research exports data and goes with the context research only; the context is {context.value}. "
            "Ask for the mode class, or set the context if this is a study with its own approval and consent."
        )
    is_prohibited = not EU_OR_EEA.isdisjoint(jurisdictions) and context in (
        Context.EDUCATION,
        Context.WORKPLACE,
    )
    is_lowered = is_prohibited and requested is not Mode.PRESENCE
    return Decision(
        jurisdictions=jurisdictions,
        context=context,
        requested=requested,
        mode=Mode.PRESENCE if is_lowered else requested,
        rule=Rule.EU_PROHIBITED if is_prohibited else Rule.AS_ASKED,
    )


def _named(kind: type[Choice], text: str) -> Choice:
    try:
        return kind(text.lower())
    except ValueError:
        raise ConfigError(
            f"The {kind.__name__.lower()} is '{text}'; expected one of {_listed(kind)}.{suggestion(text, kind)}"
        ) from None


def _listed(known: type[StrEnum]) -> str:
    return ", ".join(one.value for one in known)
