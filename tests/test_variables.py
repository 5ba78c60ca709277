"""Variables that nobody reads."""

import pytest

from mien.errors import ConfigError
from mien.variables import refuse_unknown_variables

KNOWN = ("MIEN_SERVICE_", ("port", "hosts"), "docs/deploying.md")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MIEN_SERVICE_PROT", "PORT"),
        ("MIEN_SERVICE_HOST", "HOSTS"),
        ("MIEN_SERVE_PORT", "PORT"),
        ("MIEN_SERVIC_PORT", "PORT"),
        ("MIENSERVICE_PORT", "PORT"),
        ("mien_serve_hosts", "HOSTS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_is_meant(monkeypatch, variable, meant):
    monkeypatch.setenv(variable, "1")
    words = rf"^{variable} is no setting\. Did you mean MIEN_SERVICE_{meant}.*\? They are listed in docs/deploying"
    with pytest.raises(ConfigError, match=words):
        refuse_unknown_variables(*KNOWN)


@pytest.mark.parametrize(
    "variable",
    ["mien_service_port", "MIEN_CLASSROOM_PORT", "MIEN_YUNET", "SERVICE_PORT", "MIEN_PORT"],
)
def test_other_variables_are_nobody_s_business(monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    refuse_unknown_variables(*KNOWN)
