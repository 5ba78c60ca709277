"""Who may call, from where, how often; what stands in the log and what does not."""

import json
import logging

import pytest
from service_calls import error_of, png

from mien.service import keys as keys_module
from mien.service.keys import add_key, revoke_key
from mien.service.logs import JsonLines

PNG = {"content-type": "image/png"}
PICTURE = png(0)


@pytest.fixture
def keys(tmp_path, monkeypatch):
    monkeypatch.setattr(keys_module, "_LOOK_AGAIN_S", 0.0)
    path = tmp_path / "keys.json"
    add_key(path, "first")
    return path


def predict(client, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/predict", content=PICTURE, headers={**PNG, **named})


def test_without_keys_this_machine_may_call(client):
    assert predict(client).status_code == 200


def test_missing_wrong_and_revoked_keys(open_client, keys):
    secret = add_key(keys, "school")
    client = open_client(keys=keys)
    missing = predict(client)
    assert error_of(missing)[:2] == (401, "unauthorized")
    assert "An API key is needed" in missing.text
    assert missing.headers["www-authenticate"] == "Bearer"
    for wrong in ("x", secret[:-1], secret.swapcase(), "mien_" + "A" * 43, "é" * 20):
        answer = predict(client, x_api_key=wrong.encode())
        assert error_of(answer)[:2] == (401, "unauthorized")
        assert wrong not in answer.text
    assert predict(client, x_api_key=secret).status_code == 200
    assert predict(client, authorization=f"Bearer {secret}").status_code == 200
    assert predict(client, authorization=f"bearer  {secret}").status_code == 200
    assert predict(client, authorization=f"Basic {secret}").status_code == 401
    revoke_key(keys, "school")
    assert predict(client, x_api_key=secret).status_code == 401


def test_a_key_in_the_address_is_no_key(open_client, keys):
    secret = add_key(keys, "school")
    assert open_client(keys=keys).get(f"/v1/models?api_key={secret}").status_code == 401


def test_everything_but_health_and_the_document_needs_a_key(open_client, keys):
    client = open_client(keys=keys)
    paths = client.app.openapi()["paths"]
    answers = {
        path: client.request(method.upper(), path).status_code
        for path, methods in paths.items()
        for method in methods
    }
    assert answers.pop("/healthz") == answers.pop("/readyz") == 200
    assert set(answers.values()) == {401}
    assert client.get("/nothing").status_code == 401


def test_each_key_has_its_own_rate(open_client, keys):
    one, other = add_key(keys, "one"), add_key(keys, "other")
    client = open_client(keys=keys, rate_per_s=0.001, burst=2)
    assert [predict(client, x_api_key=one).status_code for _ in range(3)] == [200, 200, 429]
    refused = predict(client, x_api_key=one)
    assert error_of(refused)[:2] == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) > 900
    assert predict(client, x_api_key=other).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", ""]
)
def test_pages_of_foreign_origins_are_refused(open_client, origin):
    client = open_client(origins="https://school.example")
    answer = predict(client, origin=origin)
    assert error_of(answer)[:2] == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers


def test_allowed_origins_are_told_so(open_client, keys):
    secret = add_key(keys, "page")
    client = open_client(keys=keys, origins="https://school.example")
    answer = predict(client, origin="https://school.example", x_api_key=secret)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://school.example"
    assert answer.headers["access-control-expose-headers"] == "X-Request-ID, Retry-After"
    preflight = client.options(
        "/v1/predict",
        headers={
            "origin": "https://school.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-api-key",
        },
    )
    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-headers"].lower().split(", ")
    assert {"x-api-key", "x-request-id"} <= set(allowed)


def test_a_preflight_that_is_refused_says_so_in_the_same_shape(open_client):
    client = open_client(origins="https://school.example")
    asked = {"origin": "https://school.example", "access-control-request-method": "DELETE"}
    refused = client.options("/v1/predict", headers=asked)
    assert error_of(refused)[:2] == (400, "preflight_refused")
    assert "not allowed is the request's method." in refused.text
    assert refused.headers["access-control-allow-origin"] == "https://school.example"
    asked["access-control-request-headers"] = "x-other"
    assert "method, headers." in client.options("/v1/predict", headers=asked).text


def test_a_name_that_was_made_to_point_here_is_refused_without_keys(open_client, keys):
    client = open_client()
    for name in ("evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:8000"):
        assert error_of(predict(client, host=name))[:2] == (403, "host_not_allowed")
    for name in ("localhost:8000", "127.0.0.1", "127.0.1.1:80", "[::1]:8000", "LOCALHOST"):
        assert predict(client, host=name).status_code == 200
    secret = add_key(keys, "school")
    assert predict(open_client(keys=keys), host="mien.example", x_api_key=secret).status_code == 200
    named = open_client(hosts="mien.example")
    assert predict(named, host="mien.example").status_code == 200
    assert predict(named, host="localhost").status_code == 403


def test_names_are_compared_as_browsers_write_them(open_client):
    client = open_client(hosts="Mien.Example, ::1", origins="https://School.example")
    assert predict(client, host="mien.example").status_code == 200
    assert predict(client, host="[::1]:8000").status_code == 200
    answer = predict(client, host="mien.example", origin="https://school.example")
    assert answer.status_code == 200


def test_a_probe_is_answered_under_any_name(open_client):
    client = open_client(hosts="mien.example")
    assert client.get("/readyz", headers={"host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/v1/models", headers={"host": "10.0.0.7:8000"}).status_code == 403


def test_an_allowed_page_can_read_why_it_is_refused(open_client, keys):
    add_key(keys, "page")
    client = open_client(keys=keys, origins="https://school.example")
    refused = predict(client, origin="https://school.example", x_api_key="wrong")
    assert error_of(refused)[:2] == (401, "unauthorized")
    assert refused.headers["access-control-allow-origin"] == "https://school.example"
    assert refused.headers["access-control-expose-headers"] == "X-Request-ID, Retry-After"
    assert refused.headers["vary"] == "Origin"
    elsewhere = predict(client, origin="https://evil.example", x_api_key="wrong")
    assert "access-control-allow-origin" not in elsewhere.headers


def test_oversized_headers_and_paths(client):
    assert error_of(predict(client, x_long="x" * 20_000))[:2] == (431, "headers_too_large")
    assert error_of(client.get("/" + "x" * 5000))[:2] == (414, "path_too_long")
    assert error_of(client.get("/v1/models?" + "x" * 5000))[:2] == (414, "path_too_long")


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/v1/%2e%2e/%2e%2e/etc/passwd", "/v1/predict/..%2f..%2fkeys.json"]
)
def test_traversal_in_paths_leads_nowhere(client, path):
    assert error_of(client.get(path))[:2] == (404, "not_found")


def test_too_many_requests_at_once_are_turned_away(open_client):
    client = open_client(max_requests=1)
    gate = client.app.middleware_stack.app
    while not hasattr(gate, "_admission"):
        gate = gate.app
    with gate._admission.enter():
        answer = predict(client)
    assert error_of(answer)[:2] == (503, "busy")
    assert answer.headers["retry-after"] == "1"
    assert predict(client).status_code == 200


def test_a_request_has_an_id(client):
    assert predict(client, x_request_id="abc-1").headers["x-request-id"] == "abc-1"
    for odd in ("a b", "x" * 99, '"}'):
        given = predict(client, x_request_id=odd).headers["x-request-id"]
        assert given != odd
        assert len(given) == 16


def test_the_log_tells_what_was_done_and_holds_neither_key_nor_picture(open_client, keys, caplog):
    secret = add_key(keys, "school")
    client = open_client(keys=keys)
    with caplog.at_level(logging.INFO, "mien"):
        predict(client, x_api_key=secret, x_request_id="r1")
        predict(client, x_api_key="mien_wrong-key")
        predict(client, authorization=f"Bearer {secret}x")
        client.get(f"/v1/models?key={secret}", headers={"x-api-key": secret})
        client.get(f"/{secret}", headers={"x-api-key": secret})
        client.post(
            "/v1/predict",
            files={"file": ("secret-name.png", PICTURE)},
            headers={"x-api-key": secret},
        )
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    first = lines[0]
    assert (first["route"], first["status"], first["key"], first["faces"]) == (
        "/v1/predict",
        200,
        "school",
        1,
    )
    assert (first["request"], first["pictures"], first["bytes"]) == ("r1", 1, len(PICTURE))
    assert [line["status"] for line in lines] == [200, 401, 401, 200, 404, 200]
    written = "\n".join(map(json.dumps, lines))
    for hidden in (secret, "wrong-key", "secret-name", "IHDR", "127.0.0.1", "testclient"):
        assert hidden not in written


def test_a_failure_of_ours_is_500_in_the_same_shape_and_in_the_log(open_client, caplog):
    class Broken:
        name = "broken"
        frame = None

        def detect(self, image):
            if image.shape[0] != 240:  # the picture that warms up
                raise RuntimeError("the cause")
            return []

    answer = predict(open_client(detector=Broken()))
    assert error_of(answer)[:2] == (500, "internal")
    assert "the cause" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "the cause" in caplog.text


def test_what_is_refused_is_counted_by_its_path_if_that_is_one_of_ours(open_client, keys):
    client = open_client(keys=keys)
    client.get("/v1/models")
    predict(client)
    client.get("/secret-name")
    client.get("/openapi.json")
    secret = add_key(keys, "school")
    text = client.get("/metrics", headers={"x-api-key": secret}).text
    for counted in (
        'method="GET",route="/v1/models",status="401"',
        'method="POST",route="/v1/predict",status="401"',
        'method="GET",route="unknown",status="401"',
        'method="GET",route="/openapi.json",status="200"',
    ):
        assert f"mien_requests_total{{{counted}}} 1.0" in text
