"""Country codes, and which of them lie in the EU or the EEA. A typing error must never lead out of the law's reach."""

from __future__ import annotations

from mien.errors import ConfigError, suggestion

__all__ = ["COUNTRIES", "EU_OR_EEA", "parse_jurisdictions"]

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP
KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT
MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ
UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""

COUNTRIES = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2."""

_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_EU_ELSEWHERE = "AX GF GP MF MQ RE YT"
"""Parts of Finland and France with a code of their own where EU law holds (TFEU Art. 349 and 355)."""
_EEA_ONLY = "IS LI NO"

EU_OR_EEA = frozenset(f"EU EEA {_EU} {_EU_ELSEWHERE} {_EEA_ONLY}".split())
"""Where Art. 5 of the AI Act is taken to hold; in Iceland, Liechtenstein and Norway as if it were in force already."""

_ALSO_CALLED = {"EL": "GR", "UK": "GB"}
"""The EU's own code of Greece, and the usual one of Great Britain."""


def parse_jurisdictions(text: str) -> tuple[str, ...]:
    """Read one or several codes with commas between; order and repetition do not matter.

    Args:
        text: Such as ``"KR"``, ``"kr, de"`` or ``"EU"``.

    Returns:
        The codes in capitals, sorted.

    Raises:
        ConfigError: If there is none, or one is unknown.
    """
    codes = [part.strip().upper() for part in text.split(",")]
    codes = sorted({_ALSO_CALLED.get(code, code) for code in codes})
    known = COUNTRIES | EU_OR_EEA
    for code in codes:
        if code not in known:
            raise ConfigError(
                f"The jurisdiction '{code}' is unknown; expected a country's two letters of ISO 3166-1, EU or EEA, "
                f"several with commas between: KR,DE.{suggestion(code, sorted(known))}"
            )
    return tuple(codes)
