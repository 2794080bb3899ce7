"""What is known of models: providers, limits, tokens, costs."""

from __future__ import annotations

import inspect

import interlingua
import interlingua.cost_calculator
import interlingua.utils
import pytest
from conftest import USER
from interlingua.litellm_core_utils.get_supported_openai_params import get_supported_openai_params


def test_providers_of_names() -> None:
    assert interlingua.get_llm_provider("anthropic/claude-x") == ("claude-x", "anthropic", None, None)
    model, provider, key, base = interlingua.get_llm_provider("gpt-4o", api_base="http://h/v1", api_key="k")
    assert (model, provider, key, base) == ("gpt-4o", "openai", "k", "http://h/v1")
    assert interlingua.get_llm_provider("x", custom_llm_provider="groq")[1] == "groq"
    with pytest.raises(interlingua.BadRequestError):
        interlingua.get_llm_provider("nobody-knows-this")


def test_the_connection_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    found = interlingua.get_llm_provider("groq/llama-3.3-70b-versatile")
    assert found == ("llama-3.3-70b-versatile", "groq", None, "https://api.groq.com/openai/v1")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-env")
    assert interlingua.get_llm_provider("groq/x")[2] == "gsk-env"
    own = interlingua.get_llm_provider("groq/x", api_base="http://127.0.0.1:1/v1", api_key="gsk-own")
    assert own[2:] == ("gsk-own", "http://127.0.0.1:1/v1")
    # More than a key is needed here.
    assert interlingua.get_llm_provider("bedrock/anthropic.claude-3-haiku-20240307-v1:0")[2:] == (None, None)


def test_a_port_makes_another_server() -> None:
    assert interlingua.get_llm_provider("gpt-4o", api_base="http://127.0.0.1:9/v1")[1] == "openai"
    assert interlingua.get_llm_provider("x", api_base="https://api.groq.com:443/openai/v1")[1] == "groq"


def test_parameters_of_models() -> None:
    params = get_supported_openai_params("gpt-4o")
    assert {"temperature", "stop", "tools", "response_format"} <= set(params)
    assert "reasoning_effort" in interlingua.get_supported_openai_params("o3-mini")
    assert "dimensions" in interlingua.get_supported_openai_params("text-embedding-3-small", request_type="embeddings")
    assert interlingua.get_supported_openai_params("nobody-knows-this") is None


def test_limits_prices_and_abilities() -> None:
    info = interlingua.get_model_info("gpt-4o")
    assert info["litellm_provider"] == "openai"
    assert info["mode"] == "chat"
    assert info["max_input_tokens"] == 128000
    assert info["input_cost_per_token"] == 2.5e-6
    assert info["supports_vision"] is True
    assert "tools" in info["supported_openai_params"]
    assert interlingua.get_max_tokens("gpt-4o") == 16384
    with pytest.raises(Exception, match="isn't mapped"):
        interlingua.get_model_info("nobody-knows-this")
    assert interlingua.supports_vision("gpt-4o")
    assert interlingua.supports_function_calling(model="gpt-4o", custom_llm_provider="openai")
    assert not interlingua.supports_vision("nobody-knows-this")
    assert interlingua.utils.supports_response_schema(model="gpt-4o")
    assert interlingua.utils.supports_prompt_caching(model="anthropic/claude-sonnet-4-20250514")


def test_lists() -> None:
    assert "gpt-4o" in interlingua.model_list
    assert "openai" in interlingua.provider_list
    assert interlingua.LlmProviders.OPENAI.value == "openai"
    assert interlingua.model_cost.get("gpt-4o")["input_cost_per_token"] == 2.5e-6
    assert "gpt-4o" in interlingua.models_by_provider["openai"]


def test_the_environment_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = interlingua.validate_environment("gpt-4o")
    assert missing == {"keys_in_environment": False, "missing_keys": ["OPENAI_API_KEY"]}
    assert interlingua.validate_environment("gpt-4o", api_key="x")["keys_in_environment"]
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert interlingua.validate_environment(model="gpt-4o")["missing_keys"] == []
    assert interlingua.validate_environment()["keys_in_environment"] is False


def test_tokens() -> None:
    assert interlingua.token_counter("gpt-4o", messages=[{"role": "user", "content": "hello"}]) == 8
    assert interlingua.token_counter(model="gpt-4o", text="hello world") == 2
    numbers = interlingua.encode(model="gpt-4o", text="hello world")
    assert interlingua.decode(model="gpt-4o", tokens=numbers) == "hello world"
    parts = [{"type": "text", "text": "hello"}]
    message = interlingua.Message(role="user", content=parts)
    assert interlingua.token_counter("gpt-4o", messages=[message]) == 8
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert interlingua.token_counter("gpt-4o", messages=USER, tools=tools) > 8
    with pytest.raises(ValueError, match="both"):
        interlingua.token_counter("gpt-4o", text="x", messages=USER)


def test_costs() -> None:
    assert interlingua.cost_per_token(model="gpt-4o", prompt_tokens=1000, completion_tokens=100) == (
        pytest.approx(0.0025),
        pytest.approx(0.001),
    )
    cached = interlingua.cost_per_token(model="gpt-4o", prompt_tokens=1000, cache_read_input_tokens=600)
    assert cached[0] == pytest.approx(400 * 2.5e-6 + 600 * 1.25e-6)
    response = interlingua.completion(model="gpt-4o", messages=USER, mock_response="x")
    assert interlingua.completion_cost(completion_response=response) == pytest.approx(0.000225)
    assert interlingua.completion_cost(response, model="openai/gpt-4o") == pytest.approx(0.000225)
    assert interlingua.completion_cost(model="gpt-4o", prompt="hello world", completion="hi") > 0
    own = {"input_cost_per_token": 1.0, "output_cost_per_token": 2.0}
    assert interlingua.completion_cost(response, custom_cost_per_token=own) == pytest.approx(50.0)
    with pytest.raises(Exception, match="isn't mapped"):
        interlingua.cost_per_token(model="nobody-knows-this", prompt_tokens=1)
    assert interlingua.cost_calculator.response_cost_calculator(response) == pytest.approx(0.000225)


def test_prices_of_a_call_of_its_own() -> None:
    response = interlingua.completion(
        model="openai/my-own",
        messages=USER,
        mock_response="x",
        input_cost_per_token=1.0,
        output_cost_per_token=2.0,
    )
    assert response._hidden_params["response_cost"] == pytest.approx(50.0)


def test_models_can_be_registered() -> None:
    entry = {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.0}
    entry.update(output_cost_per_token=2.0, max_tokens=5, supports_vision=True)
    assert interlingua.register_model({"made-up-here": entry}) == {"made-up-here": entry}
    assert interlingua.get_model_info("made-up-here")["max_tokens"] == 5
    assert interlingua.supports_vision("made-up-here")
    assert interlingua.model_cost["made-up-here"]["input_cost_per_token"] == 1.0
    response = interlingua.completion(model="made-up-here", messages=USER, mock_response="x")
    assert response._hidden_params["response_cost"] == pytest.approx(50.0)
    interlingua.model_cost["made-up-too"] = {**entry, "max_tokens": 7}
    assert interlingua.get_max_tokens("made-up-too") == 7


def test_signatures_are_litellms() -> None:
    names = list(inspect.signature(interlingua.completion).parameters)
    assert names[:7] == ["model", "messages", "timeout", "temperature", "top_p", "n", "stream"]
    assert names[-1] == "kwargs"
    twins = list(inspect.signature(interlingua.acompletion).parameters)
    assert twins[2:4] == ["functions", "function_call"]
    assert sorted(twins) == sorted(names)
    assert inspect.iscoroutinefunction(interlingua.acompletion)
    assert inspect.iscoroutinefunction(interlingua.aembedding)
    assert not inspect.iscoroutinefunction(interlingua.completion)
