"""How the signals are to be read, in English and Korean: it stands on every page and report that shows them."""

from __future__ import annotations

__all__ = ["CAVEATS", "caveats"]

CAVEATS = {
    "en": (
        "These are signals of what cameras saw, not diagnoses: they do not say what anybody felt, understood or meant.",
        "Boredom cannot be told from a neutral face. The best published systems for engagement are right in 63 to 73 of "
        "100 cases, and human raters agree only moderately (kappa 0.56).",
        "Each student is compared with their own usual expression only, never with others.",
        "Shares are rounded, late by half a minute, and withheld where fewer than five students can be counted together.",
        "No data is a result of its own: it is never filled in. What students tapped is the only thing that they said.",
    ),
    "ko": (
        "이것은 카메라에 보인 신호일 뿐 진단이 아닙니다. 누가 무엇을 느끼고 이해하고 의도했는지는 말해 주지 않습니다.",
        "지루함은 무표정과 구별할 수 없습니다. 공개된 가장 좋은 몰입도 시스템의 정확도는 63–73 %이며, "
        "사람 평가자끼리도 보통 수준으로만 일치합니다(카파 0.56).",
        "각 학생은 자신의 평소 표정하고만 비교되며, 다른 학생과는 비교되지 않습니다.",
        "비율은 반올림되고 30초 늦게 표시되며, 함께 셀 수 있는 학생이 다섯 명보다 적으면 표시되지 않습니다.",
        "자료 없음도 하나의 결과이며 채워 넣지 않습니다. 학생이 누른 응답만이 학생이 직접 말한 것입니다.",
    ),
}

_OF_PRESENCE_TOO = (0, 3, 4)
"""Places of the caveats that hold where no expression is read."""


def caveats(lang: str, expressions: bool) -> tuple[str, ...]:
    """Return how signals are to be read, in one language; fewer where no expression is read."""
    every = CAVEATS[lang]
    return every if expressions else tuple(every[place] for place in _OF_PRESENCE_TOO)
