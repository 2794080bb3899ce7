"""Whole answers: what vendors are sent and what programs get."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import interlingua
import pytest
from conftest import USER, Reply, Upstream, chat
from interlingua import acompletion, completion

ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-20250514",
    "content": [{"type": "text", "text": "Hello!"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 3},
}
OLLAMA = {
    "model": "llama3",
    "created_at": "2025-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": "Hello!"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 9,
    "eval_count": 3,
}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello!"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12},
    "modelVersion": "gemini-2.0-flash",
    "responseId": "r1",
}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello!"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12},
    "metrics": {"latencyMs": 1},
}


@pytest.mark.parametrize(
    ("model", "base", "path", "header", "reply"),
    [
        ("openai/gpt-4o", "/v1", "/v1/chat/completions", ("authorization", "Bearer sk-test"), chat()),
        ("gpt-4o", "/v1", "/v1/chat/completions", ("authorization", "Bearer sk-test"), chat()),
        ("anthropic/claude-sonnet-4-20250514", "", "/v1/messages", ("x-api-key", "sk-test"), ANTHROPIC),
        (
            "groq/llama-3.3-70b-versatile",
            "/openai/v1",
            "/openai/v1/chat/completions",
            ("authorization", "Bearer sk-test"),
            chat(),
        ),
        (
            "deepseek/deepseek-chat",
            "/v1",
            "/v1/chat/completions",
            ("authorization", "Bearer sk-test"),
            chat(),
        ),
        ("ollama/llama3", "", "/api/chat", ("content-type", "application/json"), OLLAMA),
        (
            "gemini/gemini-2.0-flash",
            "/v1beta",
            "/v1beta/models/gemini-2.0-flash:generateContent",
            ("x-goog-api-key", "sk-test"),
            GEMINI,
        ),
        (
            "bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0",
            "",
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse",
            ("authorization", "Bearer sk-test"),
            CONVERSE,
        ),
        (
            "azure/my-deployment-name",
            "",
            "/openai/deployments/my-deployment-name/chat/completions?api-version=2024-10-21",
            ("api-key", "sk-test"),
            chat(),
        ),
    ],
)
def test_each_vendor_is_spoken_to_in_its_own_way(
    upstream: Upstream, model: str, base: str, path: str, header: tuple[str, str], reply: Any
) -> None:
    upstream.replies(Reply(json=reply))
    version = {"api_version": "2024-10-21"} if model.startswith("azure/") else {}
    response = completion(model=model, messages=USER, api_key="sk-test", api_base=upstream.url + base, **version)
    assert response.choices[0].message.content == "Hello!"
    assert response.choices[0].finish_reason == "stop"
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (9, 3)
    assert upstream.last.path == path
    assert upstream.last.headers[header[0]] == header[1]


def test_keys_set_after_the_import_are_seen(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-late"
    try:
        completion(model="gpt-4o", messages=USER, api_base=f"{upstream.url}/v1")
    finally:
        del os.environ["OPENAI_API_KEY"]
    assert upstream.last.headers["authorization"] == "Bearer sk-late"
    with pytest.raises(interlingua.AuthenticationError, match="OPENAI_API_KEY"):
        completion(model="gpt-4o", messages=USER, api_base=f"{upstream.url}/v1")


def test_the_address_can_come_from_the_environment(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("OPENAI_API_BASE", f"{upstream.url}/env")
    completion(model="gpt-4o", messages=USER)
    assert upstream.last.path == "/env/chat/completions"


def test_asynchronous_answers_are_the_same(upstream: Upstream, openai: dict[str, str]) -> None:
    async def ask() -> Any:
        return await acompletion(messages=USER, **openai)

    assert asyncio.run(ask()).choices[0].message.content == "Hello!"


def test_none_means_absent(upstream: Upstream, openai: dict[str, str]) -> None:
    completion(messages=USER, tools=None, temperature=None, stop=None, base_url=None, user=None, **openai)
    assert set(upstream.last.body) == {"model", "messages"}


def test_arguments_reach_the_vendor(upstream: Upstream, openai: dict[str, str]) -> None:
    completion(
        messages=USER,
        temperature=0.2,
        max_tokens=5,
        stop=["a", "b", "c", "d", "e"],
        extra_headers={"x-mine": "1"},
        extra_body={"vendor_key": [1]},
        **openai,
    )
    body = upstream.last.body
    assert (body["temperature"], body["max_tokens"], body["stop"]) == (0.2, 5, ["a", "b", "c", "d"])
    assert body["vendor_key"] == [1]
    assert upstream.last.headers["x-mine"] == "1"
    assert body["model"] == "gpt-4o"


def test_tools_go_out_and_their_calls_come_back(upstream: Upstream, openai: dict[str, str]) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
    }
    upstream.replies(Reply(json=chat(None, tool_calls=[call])))
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    response = completion(messages=USER, tools=tools, tool_choice="auto", **openai)
    assert upstream.last.body["tools"] == tools
    [got] = response.choices[0].message.tool_calls
    assert (got.id, got.function.name, got["function"]["arguments"]) == (
        "call_1",
        "weather",
        '{"city":"Oslo"}',
    )
    assert response.choices[0].finish_reason == "tool_calls"

    again = [*USER, response.choices[0].message, {"role": "tool", "tool_call_id": "call_1", "content": "3 C"}]
    completion(messages=again, tools=tools, **openai)
    sent = upstream.last.body["messages"][1]
    assert sent["tool_calls"][0]["function"] == {"arguments": '{"city":"Oslo"}', "name": "weather"}
    assert None not in sent.values()


def test_an_empty_list_of_tools_is_no_tools(upstream: Upstream, openai: dict[str, str]) -> None:
    completion(messages=USER, tools=[], **openai)
    assert "tools" not in upstream.last.body


def test_images_go_out_as_they_are(upstream: Upstream, openai: dict[str, str]) -> None:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg"}},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQ"}},
    ]
    completion(messages=[{"role": "user", "content": content}], **openai)
    assert upstream.last.body["messages"][0]["content"] == content


@pytest.mark.parametrize(
    ("model", "reply", "find", "image"),
    [
        (
            "anthropic/claude-sonnet-4-20250514",
            ANTHROPIC,
            lambda body: body["messages"][0]["content"][1]["source"],
            {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"},
        ),
        (
            "gemini/gemini-2.0-flash",
            GEMINI,
            lambda body: body["contents"][0]["parts"][1]["inlineData"],
            {"mimeType": "image/jpeg", "data": "/9j/4AAQ"},
        ),
        (
            "bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0",
            CONVERSE,
            lambda body: body["messages"][0]["content"][1]["image"],
            {"format": "jpeg", "source": {"bytes": "/9j/4AAQ"}},
        ),
    ],
)
def test_images_are_put_as_each_vendor_wants_them(
    upstream: Upstream, model: str, reply: Any, find: Callable[[Any], Any], image: Any
) -> None:
    upstream.replies(Reply(json=reply))
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQ"}},
    ]
    completion(model=model, messages=[{"role": "user", "content": content}], api_key="sk", api_base=upstream.url)
    assert find(upstream.last.body) == image


def test_the_callers_arguments_are_not_changed(upstream: Upstream, openai: dict[str, str]) -> None:
    messages = [
        {"role": "user", "content": "Hi", "name": None},
        {"content": "no role", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]
    copy = [dict(message) for message in messages]
    completion(messages=messages, **openai)
    assert messages == copy
    sent = upstream.last.body["messages"]
    assert "name" not in sent[0]
    assert sent[1]["role"] == "assistant"
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"a": 1}'


@pytest.mark.parametrize("choice", [{"type": "auto"}, "auto"])
def test_a_choice_of_tools_is_made_plain(upstream: Upstream, openai: dict[str, str], choice: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    completion(messages=USER, tools=tools, tool_choice=choice, **openai)
    assert upstream.last.body["tool_choice"] == "auto"
    with pytest.raises(interlingua.BadRequestError):
        completion(messages=USER, tools=tools, tool_choice={"name": "f"}, **openai)


def test_what_json_cannot_hold_is_refused(openai: dict[str, str]) -> None:
    with pytest.raises(interlingua.BadRequestError, match="JSON"):
        completion(messages=USER, temperature=float("nan"), **openai)
    with pytest.raises(interlingua.BadRequestError):
        completion(messages=[{"role": "user", "content": object()}], **openai)


def test_what_is_known_of_an_answer_travels_with_it(upstream: Upstream, openai: dict[str, str]) -> None:
    headers = {"x-ratelimit-remaining-requests": "9", "x-request-id": "req_1"}
    upstream.replies(Reply(json=chat(), headers=headers))
    hidden = completion(messages=USER, **openai)._hidden_params
    assert hidden["custom_llm_provider"] == "openai"
    assert hidden["api_base"] == f"{upstream.url}/v1"
    assert hidden["litellm_model_name"] == "gpt-4o"
    # Five fresh tokens at 2.50 $ a million, four cached at 1.25 $, three of output at 10 $.
    assert hidden["response_cost"] == pytest.approx(5 * 2.5e-6 + 4 * 1.25e-6 + 3 * 1e-5)
    assert hidden["additional_headers"]["x-ratelimit-remaining-requests"] == "9"
    assert hidden["additional_headers"]["llm_provider-x-request-id"] == "req_1"
    assert len(hidden["litellm_call_id"]) == 36
    assert hidden["_response_ms"] > 0


def test_fallbacks_are_tried_in_turn(upstream: Upstream, openai: dict[str, str]) -> None:
    error = {"error": {"message": "no", "type": "server_error", "code": None}}
    upstream.replies(Reply(status=500, json=error), Reply(status=500, json=error), Reply(json=chat("third")))
    response = completion(
        messages=USER,
        fallbacks=[
            "openai/gpt-4o-mini",
            {"model": "openai/gpt-4.1", "temperature": 0.5, "api_key": "sk-other"},
        ],
        **openai,
    )
    assert response.choices[0].message.content == "third"
    assert [asked.body["model"] for asked in upstream.asked] == ["gpt-4o", "gpt-4o-mini", "gpt-4.1"]
    assert [asked.headers["authorization"][7:] for asked in upstream.asked] == [
        "sk-test",
        "sk-test",
        "sk-other",
    ]
    assert upstream.last.body["temperature"] == 0.5
    assert "api_key" not in upstream.last.body
    assert response._hidden_params["additional_headers"]["x-litellm-attempted-fallbacks"] == 2


def test_a_longer_window_is_tried_where_the_prompt_is_too_long(upstream: Upstream, openai: dict[str, str]) -> None:
    error = {
        "error": {
            "message": "This model's maximum context length is 8192 tokens.",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        }
    }
    upstream.replies(Reply(status=400, json=error), Reply(json=chat("long")))
    response = completion(messages=USER, context_window_fallback_dict={"openai/gpt-4o": "openai/gpt-4.1"}, **openai)
    assert response.choices[0].message.content == "long"
    assert upstream.last.body["model"] == "gpt-4.1"


def test_retries_are_made_where_asked_for(upstream: Upstream, openai: dict[str, str]) -> None:
    error = {"error": {"message": "slow down", "type": "x", "code": "429"}}
    upstream.replies(Reply(status=429, json=error), Reply(json=chat("second")))
    assert completion(messages=USER, num_retries=1, **openai).choices[0].message.content == "second"
    assert len(upstream.asked) == 2


def test_many_conversations_at_once(upstream: Upstream, openai: dict[str, str]) -> None:
    def answer(asked: Any) -> Reply:
        text = asked.body["messages"][0]["content"]
        if text == "bad":
            return Reply(status=400, json={"error": {"message": "bad"}})
        return Reply(json=chat(text))

    upstream.answer = answer
    conversations = [[{"role": "user", "content": text}] for text in ("a", "bad", "c")]
    first, second, third = interlingua.batch_completion(messages=conversations, max_workers=2, **openai)
    assert (first.choices[0].message.content, third.choices[0].message.content) == ("a", "c")
    assert isinstance(second, interlingua.BadRequestError)


def test_embeddings(upstream: Upstream) -> None:
    data = [{"object": "embedding", "index": i, "embedding": [0.5, -1.0]} for i in range(2)]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    upstream.replies(Reply(json={"object": "list", "model": "text-embedding-3-small", "data": data, "usage": usage}))
    where = {"api_key": "sk", "api_base": f"{upstream.url}/v1"}
    response = interlingua.embedding(
        model="text-embedding-3-small", input=["a", "b"], encoding_format="float", dimensions=2, **where
    )
    assert [item["embedding"] for item in response.data] == [[0.5, -1.0], [0.5, -1.0]]
    assert response["data"][1].index == 1
    assert response.usage.prompt_tokens == 4
    assert isinstance(response, interlingua.EmbeddingResponse)
    body = upstream.last.body
    assert (upstream.last.path, body["encoding_format"], body["dimensions"]) == ("/v1/embeddings", "float", 2)
    assert "timeout" not in body

    async def ask() -> Any:
        return await interlingua.aembedding(model="text-embedding-3-small", input="a", caching=False, **where)

    assert asyncio.run(ask()).data[0]["embedding"] == [0.5, -1.0]


def test_text_completions(upstream: Upstream) -> None:
    reply = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"text": " world", "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    upstream.replies(Reply(json=reply))
    response = interlingua.text_completion(
        model="gpt-3.5-turbo-instruct",
        prompt="Hello",
        max_tokens=500,
        temperature=0.3,
        api_key="sk",
        api_base=f"{upstream.url}/v1",
    )
    assert response.choices[0].text == " world"
    assert isinstance(response, interlingua.TextCompletionResponse)
    assert upstream.last.path == "/v1/completions"


def test_amazon_is_asked_with_a_signature(upstream: Upstream) -> None:
    upstream.replies(Reply(json=CONVERSE))
    completion(
        model="bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0",
        messages=USER,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        aws_region_name="us-east-1",
        aws_bedrock_runtime_endpoint=upstream.url,
    )
    authorization = upstream.last.headers["authorization"]
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/bedrock/aws4_request" in authorization
    assert "aws_secret_access_key" not in upstream.last.body
