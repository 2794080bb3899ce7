"""Bad input: a clear 4xx in the client's dialect, and a process that goes on."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from conftest import KEY

GOOD = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


def send(gateway, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=60)
    given = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **(headers or {})}
    connection.request(method, path, body, given)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text


def post(gateway, body, path="/v1/chat/completions", headers=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, text = send(gateway, "POST", path, data, headers)
    return status, json.loads(text)


@pytest.fixture(autouse=True)
def still_serving(gateway):
    yield
    status, answer = post(gateway, GOOD)
    assert status == 200 and answer["choices"]


@pytest.mark.parametrize(
    "body,param",
    [
        (b"", None),
        (b"not json", None),
        (b"[]", None),
        (b'{"model": "gpt-4o", "messages": [', None),
        (b'{"model": "gpt-4o", "messages": []} trailing', None),
        (b'\xff\xfe{"model": 1}', None),
        (b'{"model": "gpt-4o", "model": "claude", "messages": []}', "model"),
        ({"messages": GOOD["messages"]}, "model"),
        ({**GOOD, "model": 7}, "model"),
        ({**GOOD, "model": None}, "model"),
        ({"model": "gpt-4o"}, "messages"),
        ({**GOOD, "messages": "Hello"}, "messages"),
        ({**GOOD, "messages": {}}, "messages"),
        ({**GOOD, "num_retries": "many"}, "num_retries"),
        ({**GOOD, "timeout": -1}, "timeout"),
    ],
)
def test_malformed_bodies_name_their_field(gateway, body, param):
    status, answer = post(gateway, body)
    assert status == 400, answer
    assert answer["error"]["message"] and answer["error"]["code"] == "400"
    if param:
        assert param in (answer["error"]["param"] or "") or f"'{param}'" in answer["error"]["message"]


@pytest.mark.parametrize("field,value", [("temperature", "hot"), ("tools", "none"), ("stop", 5), ("messages", [{"role": 1}])])
def test_wrong_types_are_named_where_we_translate(gateway, field, value):
    status, answer = post(gateway, {**GOOD, "model": "claude", field: value})
    assert status == 400, answer
    assert field in answer["error"]["message"]


def test_unknown_models_list_near_names(gateway):
    status, answer = post(gateway, {**GOOD, "model": "gpt-4"})
    assert status == 400
    assert "gpt-4o" in answer["error"]["message"]


@pytest.mark.parametrize(
    "model", ["../../etc/passwd", "a?b=c", "a#b", "x\ny", "x\x00y", " ", "", "openai/\ud800", "a" * 10000]
)
def test_hostile_model_names(gateway, model):
    status, answer = post(gateway, {**GOOD, "model": model})
    assert 400 <= status < 500, answer
    assert answer["error"]["message"]


def test_a_model_name_never_becomes_a_path(gateway, upstream):
    # A wildcard takes any name; it travels in the body, and the vendor's address stays as configured.
    status, _ = post(gateway, {**GOOD, "model": "broken/../../x?y#z"})
    assert status == 200
    assert upstream.last()["path"] == "/v1/chat/completions"
    assert upstream.last()["body"]["model"] == "../../x?y#z"


def test_a_lone_surrogate_and_a_nul_in_a_text_pass_or_are_refused(gateway):
    for text in ["\\ud800", "\\u0000"]:
        body = f'{{"model": "claude", "messages": [{{"role": "user", "content": "{text}"}}]}}'.encode()
        status, answer = post(gateway, body)
        assert status in (200, 400), answer


def test_deep_nesting(gateway):
    deep = b'{"model": "claude", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    status, answer = post(gateway, deep)
    assert status == 400, answer


def test_a_huge_body_is_refused_before_it_is_read(gateway):
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=60)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("authorization", f"Bearer {KEY}")
    connection.putheader("content-length", str(50 << 30))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    connection.close()


def test_fifty_megabytes_are_refused(gateway):
    status, answer = post(gateway, {**GOOD, "messages": [{"role": "user", "content": "x" * 50_000_000}]})
    assert status == 413, answer


def test_other_content_types_are_read_as_the_json_they_are(gateway):
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"]:
        status, answer = post(gateway, GOOD, headers={"content-type": kind})
        assert status == 200, answer


def test_unknown_routes_and_methods(gateway):
    assert send(gateway, "POST", "/v1/nothing", b"{}")[0] == 404
    assert send(gateway, "GET", "/v1/chat/completions")[0] == 405
    assert send(gateway, "DELETE", "/v1/models")[0] == 405


@pytest.mark.parametrize(
    "headers", [{"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "sk-no-prefix"}, {"authorization": "Bearer sk-wrong"}]
)
def test_without_a_good_key_nothing_happens(gateway, upstream, headers):
    before = len(upstream.requests)
    status, answer = post(gateway, GOOD, headers=headers)
    assert status == 401 and answer["error"]["type"], answer
    assert len(upstream.requests) == before


@pytest.mark.parametrize("header", ["x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key", "ocp-apim-subscription-key"])
def test_every_place_for_a_key(gateway, header):
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(GOOD), {header: KEY})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/v1/chat/completions",
        "/engines/gpt-4o/chat/completions",
        "/openai/deployments/gpt-4o/chat/completions?api-version=2024-06-01",
    ],
)
def test_path_aliases(gateway, path):
    status, answer = post(gateway, GOOD, path=path)
    assert status == 200 and answer["choices"], answer


@pytest.mark.parametrize("field", ["api_base", "base_url", "aws_role_name", "vertex_credentials"])
def test_a_client_cannot_redirect_a_request(gateway, upstream, field):
    before = len(upstream.requests)
    status, answer = post(gateway, {**GOOD, field: "http://127.0.0.1:1"})
    assert status == 401 and field in answer["error"]["message"]
    assert len(upstream.requests) == before
