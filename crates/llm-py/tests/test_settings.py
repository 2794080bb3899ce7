"""Settings of the module: attributes that each call reads anew."""

from __future__ import annotations

import warnings

import interlingua
import interlingua._request
import pytest
from conftest import USER, Reply, Upstream, chat
from interlingua import completion


def test_address_and_key(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interlingua, "api_base", f"{upstream.url}/all")
    monkeypatch.setattr(interlingua, "api_key", "sk-all")
    completion(model="openai/gpt-4o", messages=USER)
    assert upstream.last.path == "/all/chat/completions"
    assert upstream.last.headers["authorization"] == "Bearer sk-all"
    completion(model="openai/gpt-4o", messages=USER, api_key="sk-one", base_url=f"{upstream.url}/one")
    assert upstream.last.path == "/one/chat/completions"
    assert upstream.last.headers["authorization"] == "Bearer sk-one"


def test_a_key_for_one_provider(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interlingua, "groq_key", "gsk")
    monkeypatch.setattr(interlingua, "openai_key", "sk-module")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    base = f"{upstream.url}/v1"
    completion(model="groq/llama-3.3-70b-versatile", messages=USER, api_base=base)
    assert upstream.last.headers["authorization"] == "Bearer gsk"
    completion(model="openai/gpt-4o", messages=USER, api_base=base)
    assert upstream.last.headers["authorization"] == "Bearer sk-module"


def test_parameters_are_dropped_where_the_module_says_so(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    where = {"model": "openai/o3-mini", "api_key": "sk", "api_base": f"{upstream.url}/v1", "messages": USER}
    monkeypatch.setattr(interlingua, "drop_params", True)
    completion(top_p=0.5, **where)
    assert "top_p" not in upstream.last.body
    with pytest.raises(interlingua.UnsupportedParamsError):
        completion(top_p=0.5, drop_params=False, **where)


def test_headers_and_aliases(upstream: Upstream, openai: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interlingua, "headers", {"x-all": "1", "x-both": "all"})
    monkeypatch.setattr(interlingua, "model_alias_map", {"best": "openai/gpt-4.1"})
    completion(messages=USER, headers={"x-both": "one"}, **{**openai, "model": "best"})
    assert (upstream.last.headers["x-all"], upstream.last.headers["x-both"]) == ("1", "one")
    assert upstream.last.body["model"] == "gpt-4.1"


def test_retries(upstream: Upstream, openai: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interlingua, "num_retries", 1)
    upstream.replies(Reply(status=500, json={"error": {"message": "no"}}), Reply(json=chat("second")))
    assert completion(messages=USER, **openai).choices[0].message.content == "second"
    # Not used up by the first call.
    assert interlingua.num_retries == 1


def test_retries_by_class_of_error(upstream: Upstream, openai: dict[str, str]) -> None:
    busy = Reply(status=500, json={"error": {"message": "no"}})
    upstream.replies(busy, Reply(json=chat("second")))
    policy = {"InternalServerErrorRetries": 1, "RateLimitErrorRetries": 0}
    assert completion(messages=USER, retry_policy=policy, **openai).choices[0].message.content == "second"
    assert "retry_policy" not in upstream.last.body

    class Policy:
        def __init__(self) -> None:
            self.RateLimitErrorRetries = 3
            self.TimeoutErrorRetries = None

    upstream.replies(busy)
    before = len(upstream.asked)
    with pytest.raises(interlingua.InternalServerError):
        completion(messages=USER, retry_policy=Policy(), **openai)
    assert len(upstream.asked) == before + 1
    with pytest.raises(interlingua.BadRequestError, match="retry_policy.Busy"):
        completion(messages=USER, retry_policy={"Busy": 1}, **openai)


def test_a_client_lends_its_key_and_address(upstream: Upstream) -> None:
    package = pytest.importorskip("openai")
    client = package.OpenAI(
        api_key="sk-client", base_url=f"{upstream.url}/theirs", default_headers={"x-theirs": "1"}, organization="org-1"
    )
    completion(model="openai/gpt-4o", messages=USER, client=client, api_key="sk-other")
    assert upstream.last.path == "/theirs/chat/completions"
    headers = upstream.last.headers
    assert (headers["authorization"], headers["x-theirs"], headers["openai-organization"]) == (
        "Bearer sk-client",
        "1",
        "org-1",
    )


def test_what_has_no_effect_is_said_once(openai: dict[str, str]) -> None:
    interlingua._request._warned.clear()
    with pytest.warns(UserWarning, match="'client' has no effect"):
        completion(messages=USER, client=object(), **openai)
    with pytest.warns(UserWarning, match="'shared_session' has no effect"):
        completion(messages=USER, shared_session=object(), **openai)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        completion(messages=USER, client=object(), shared_session=object(), **openai)


def test_time_limit(upstream: Upstream, openai: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interlingua, "request_timeout", 0.2)
    upstream.replies(Reply(then="hang"))
    with pytest.raises(interlingua.Timeout):
        completion(messages=USER, **openai)


def test_any_attribute_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("telemetry", "suppress_debug_info", "set_verbose", "something_new"):
        monkeypatch.setattr(interlingua, name, "x", raising=False)
        assert getattr(interlingua, name) == "x"
    with pytest.raises(AttributeError):
        _ = interlingua.nothing_of_this_name


def test_discounts_and_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    response = completion(model="gpt-4o", messages=USER, mock_response="x")
    full = interlingua.completion_cost(response)
    monkeypatch.setattr(interlingua, "cost_discount_config", {"openai": 0.5})
    assert interlingua.completion_cost(response) == pytest.approx(full / 2)
    monkeypatch.setattr(interlingua, "cost_margin_config", {"global": 1.0})
    assert interlingua.completion_cost(response) == pytest.approx(full)
