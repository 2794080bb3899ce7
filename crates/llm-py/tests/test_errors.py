"""Failures: one class for each kind, with what the vendor said."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import textwrap

import interlingua
import pytest
from conftest import USER, Reply, Upstream, closed_port
from interlingua import acompletion, completion


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (402, "PaymentRequiredError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (408, "Timeout"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (502, "BadGatewayError"),
        (503, "ServiceUnavailableError"),
        (504, "Timeout"),
    ],
)
def test_each_status_has_its_class(upstream: Upstream, openai: dict[str, str], status: int, name: str) -> None:
    error = {"message": "what went wrong", "type": "some_error", "param": None, "code": None}
    upstream.replies(Reply(status=status, json={"error": error}))
    cls = getattr(interlingua.exceptions, name)
    with pytest.raises(cls) as caught:
        completion(messages=USER, **openai)
    assert caught.value.__class__ is cls
    assert caught.value.status_code == status
    assert str(caught.value).startswith(f"litellm.{name}: ")
    assert "what went wrong" in caught.value.message
    with pytest.raises(cls):
        asyncio.run(acompletion(messages=USER, **openai))


def test_an_error_tells_what_the_vendor_said(upstream: Upstream, openai: dict[str, str]) -> None:
    error = {"message": "Too many.", "type": "requests", "param": "model", "code": "rate_limit_exceeded"}
    headers = {"Retry-After": "7", "x-request-id": "req_9"}
    upstream.replies(Reply(status=429, json={"error": error}, headers=headers))
    with pytest.raises(interlingua.RateLimitError) as caught:
        completion(messages=USER, num_retries=0, **openai)
    e = caught.value
    assert (e.llm_provider, e.model) == ("openai", "openai/gpt-4o")
    assert (e.status_code, e.response.status_code) == (429, 429)
    assert e.response.headers["Retry-After"] == e.response.headers["retry-after"] == "7"
    assert e.litellm_response_headers["retry-after"] == "7"
    assert e.response.json()["error"] == error
    assert e.body == error
    assert (e.code, e.param, e.request_id) == ("rate_limit_exceeded", "model", "req_9")


def test_retries_are_told(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(Reply(status=500, json={"error": {"message": "no"}}))
    with pytest.raises(interlingua.InternalServerError) as caught:
        completion(messages=USER, num_retries=1, **openai)
    assert len(upstream.asked) == 2
    assert (caught.value.num_retries, caught.value.max_retries) == (1, 1)
    assert str(caught.value).endswith("LiteLLM Retried: 1 times, LiteLLM Max Retries: 1")


def test_a_prompt_that_is_too_long_and_a_refused_one(upstream: Upstream, openai: dict[str, str]) -> None:
    message = "This model's maximum context length is 8192 tokens, however you requested 9000."
    error = {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}
    upstream.replies(Reply(status=400, json={"error": error}))
    with pytest.raises(interlingua.ContextWindowExceededError) as caught:
        completion(messages=USER, **openai)
    assert isinstance(caught.value, interlingua.BadRequestError)
    error = {"message": "Rejected.", "type": "invalid_request_error", "code": "content_policy_violation"}
    upstream.replies(Reply(status=400, json={"error": error}))
    with pytest.raises(interlingua.ContentPolicyViolationError):
        completion(messages=USER, **openai)


def test_nobody_is_there(openai: dict[str, str]) -> None:
    openai["api_base"] = f"http://127.0.0.1:{closed_port()}/v1"
    with pytest.raises(interlingua.APIConnectionError) as caught:
        completion(messages=USER, **openai)
    assert caught.value.status_code == 500


def test_nothing_comes_in_time(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(Reply(then="hang"))
    with pytest.raises(interlingua.Timeout) as caught:
        completion(messages=USER, timeout=0.2, **openai)
    assert caught.value.status_code == 408
    assert upstream.hung_up.wait(10)


def test_what_comes_is_no_answer(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(Reply(raw=b"<html>gateway</html>"))
    with pytest.raises(interlingua.APIConnectionError):
        completion(messages=USER, **openai)


def test_a_provider_that_nobody_knows() -> None:
    with pytest.raises(interlingua.BadRequestError, match="LLM Provider NOT provided"):
        completion(model="nobody-knows-this", messages=USER)


def test_a_parameter_that_a_model_cannot_take(upstream: Upstream) -> None:
    where = {"model": "openai/o3-mini", "api_key": "sk", "api_base": f"{upstream.url}/v1", "messages": USER}
    with pytest.raises(interlingua.UnsupportedParamsError, match="top_p"):
        completion(top_p=0.5, **where)
    completion(top_p=0.5, drop_params=True, **where)
    assert "top_p" not in upstream.last.body


def test_programs_make_their_own() -> None:
    e = interlingua.RateLimitError(message="mine", llm_provider="openai", model="gpt-4o")
    assert e.message == "litellm.RateLimitError: mine"
    assert (e.status_code, e.type, e.response.status_code) == (429, "throttling_error", 429)
    e.message += " and more"
    assert str(e) == "litellm.RateLimitError: mine and more"
    assert interlingua.APIError(status_code=418, message="x", llm_provider="p", model="m").status_code == 418
    budget = interlingua.BudgetExceededError(current_cost=2.0, max_budget=1.0)
    assert str(budget) == "Budget has been exceeded! Current cost: 2.0, Max budget: 1.0"


def test_errors_travel_between_processes(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(Reply(status=429, json={"error": {"message": "no"}}))
    with pytest.raises(interlingua.RateLimitError) as caught:
        completion(messages=USER, **openai)
    for twin in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
        assert type(twin) is interlingua.RateLimitError
        assert (str(twin), twin.status_code, twin.llm_provider) == (str(caught.value), 429, "openai")


def test_the_module_shows_the_error_classes_that_programs_check() -> None:
    known = """APIConnectionError APIError APIResponseValidationError AuthenticationError AzureOpenAIError
        BadGatewayError BadRequestError BudgetExceededError ContentPolicyViolationError ContextWindowExceededError
        ImageFetchError InternalServerError InvalidRequestError JSONSchemaValidationError NotFoundError OpenAIError
        RateLimitError RouterRateLimitError ServiceUnavailableError UnprocessableEntityError UnsupportedParamsError"""
    shown = {name for name in dir(interlingua) if name.endswith("Error")}
    assert shown == set(known.split())
    assert all(issubclass(getattr(interlingua, name), Exception) for name in shown)
    assert interlingua.PermissionDeniedError is interlingua.exceptions.PermissionDeniedError


def test_errors_are_those_of_the_openai_package() -> None:
    pytest.importorskip("openai", reason="the package is optional, for users too")
    program = """
        import sys
        import interlingua
        assert "openai" not in sys.modules
        USER = [{"role": "user", "content": "Hi"}]
        def fails(name):
            interlingua.completion(model="gpt-4o", messages=USER, mock_response="litellm." + name)
        try:
            fails("RateLimitError")
        except interlingua.RateLimitError as e:
            assert not any(c.__module__.startswith("openai") for c in type(e).__mro__)
        import openai
        try:
            fails("RateLimitError")
        except openai.RateLimitError as e:
            assert e.__class__ is interlingua.RateLimitError
            assert isinstance(e, openai.APIStatusError) and isinstance(e, openai.OpenAIError)
            assert e.status_code == 429
        else:
            raise AssertionError
        try:
            fails("ContextWindowExceededError")
        except openai.BadRequestError as e:
            assert e.__class__ is interlingua.ContextWindowExceededError
        import pickle
        try:
            interlingua.completion(model="nobody-knows", messages=USER)
        except openai.BadRequestError as e:
            assert type(pickle.loads(pickle.dumps(e))) is interlingua.BadRequestError
    """
    subprocess.run([sys.executable, "-W", "error", "-c", textwrap.dedent(program)], check=True)
