"""schemathesis reads /openapi.json and calls what it says with what nobody would."""

import pytest

schemathesis = pytest.importorskip("schemathesis")
hypothesis = pytest.importorskip("hypothesis")

pytestmark = pytest.mark.slow


@pytest.fixture
def document(open_client):
    client = open_client(hosts="testserver")
    return schemathesis.openapi.from_asgi("/openapi.json", client.app)


def _checks():
    known = schemathesis.checks.CHECKS
    names = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
    return known.get_by_names(names)


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_every_path_keeps_to_the_document(document, mode):
    """No 5xx; every status, content type and shape of an answer is one that the document names."""
    num_cases = 0
    for found in document.get_all_operations():
        operation = found.ok()
        if mode == "NEGATIVE" and not operation.body:
            continue  # nothing in it can be wrong

        @hypothesis.given(operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
        @hypothesis.settings(
            max_examples=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        def call(case):
            nonlocal num_cases
            num_cases += 1
            case.call_and_validate(checks=_checks())

        call()
    assert num_cases > 100
