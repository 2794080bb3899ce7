"""Responses and generateContent: to who speaks them as they are, to all others over chat."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import interlingua
import pytest
from conftest import Reply, Upstream, chat

RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "status": "completed",
    "model": "gpt-4o",
    "output": [
        {"id": "rs_1", "type": "reasoning", "summary": []},
        {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello!", "annotations": []}]},
    ],
    "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
    "metadata": {"a": "b"},
}
GEMINI = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "Hello!"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]},
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12},
}


def frames(*events: dict[str, Any]) -> list[str]:
    return [f"data: {json.dumps(event)}\n\n" for event in events]


@pytest.fixture
def openai(upstream: Upstream) -> dict[str, Any]:
    upstream.answer = lambda asked: Reply(json=RESPONSE if asked.path.endswith("/responses") else chat("Hello!"))
    return {"model": "openai/gpt-4o", "api_base": upstream.url + "/v1", "api_key": "sk-test"}


def test_a_response(upstream: Upstream, openai: dict[str, Any]) -> None:
    answer = interlingua.responses(input="Hi", **openai, metadata={"a": "b"}, reasoning={"effort": "low"})
    assert answer.output_text == "Hello!"
    assert answer["output"][1]["content"][0].text == "Hello!"
    assert answer.usage.total_tokens == 12 and answer.metadata == {"a": "b"}
    assert upstream.last.path == "/v1/responses"
    assert upstream.last.body["input"] == "Hi" and upstream.last.body["metadata"] == {"a": "b"}
    assert answer.model_dump()["output"] == RESPONSE["output"]


def test_its_output_can_be_asked_again(upstream: Upstream, openai: dict[str, Any]) -> None:
    first = asyncio.run(interlingua.aresponses(input="Hi", **openai))
    interlingua.responses(input=[*first.output, {"role": "user", "content": "Go on"}], **openai)
    assert upstream.last.body["input"][1] == RESPONSE["output"][1]


def test_a_streamed_response(upstream: Upstream, openai: dict[str, Any]) -> None:
    delta = {"type": "response.output_text.delta", "delta": "Hello!", "item_id": "msg_1"}
    upstream.replies(Reply(frames=frames(delta, {"type": "response.completed", "response": RESPONSE})))
    events = list(interlingua.responses(input="Hi", stream=True, **openai))
    assert [event.type for event in events] == ["response.output_text.delta", "response.completed"]
    assert events[0].delta == "Hello!" and events[1].response.output_text == "Hello!"


def test_a_response_of_who_only_chats(upstream: Upstream) -> None:
    upstream.answer = lambda asked: Reply(json=chat("Hello!"))
    who = {"model": "mistral/x", "api_base": upstream.url + "/v1", "api_key": "sk-test"}
    first = interlingua.responses(input="I am Ada", instructions="Be brief.", **who)
    assert first.output_text == "Hello!" and first.id.startswith("resp_")
    interlingua.responses(input="Who am I?", previous_response_id=first.id, **who)
    sent = upstream.last.body["messages"]
    assert [message["content"] for message in sent] == ["I am Ada", "Hello!", "Who am I?"]


def test_a_class_is_the_answers_form(upstream: Upstream, openai: dict[str, Any]) -> None:
    pydantic = pytest.importorskip("pydantic")
    City = pydantic.create_model("City", name=(str, ...))
    interlingua.responses(input="Hi", text_format=City, **openai)
    format = upstream.last.body["text"]["format"]
    assert (format["type"], format["name"], format["strict"]) == ("json_schema", "City", True)
    assert format["schema"]["required"] == ["name"]


def gemini(upstream: Upstream) -> dict[str, Any]:
    return {"model": "gemini/gemini-2.5-flash", "api_base": upstream.url, "api_key": "k"}


@pytest.mark.parametrize("module", [interlingua, interlingua.google_genai])
def test_generate_content(upstream: Upstream, module: Any) -> None:
    upstream.answer = lambda asked: Reply(json=GEMINI)
    config = {"temperature": 0.5, "system_instruction": "Be brief."}
    answer = module.generate_content(contents="Hi", config=config, **gemini(upstream))
    assert answer.text == "Hello!"
    assert answer.candidates[0].content.parts[2].functionCall.args == {"a": 1}
    assert answer.usage_metadata.totalTokenCount == answer["usageMetadata"]["totalTokenCount"] == 12
    sent = upstream.last.body
    assert upstream.last.path == "/models/gemini-2.5-flash:generateContent"
    assert sent == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 0.5},
    }


def test_streamed_contents(upstream: Upstream) -> None:
    upstream.answer = lambda asked: Reply(frames=frames(GEMINI))
    pieces = list(interlingua.generate_content_stream(contents="Hi", **gemini(upstream)))
    assert [piece.text for piece in pieces] == ["Hello!"]

    async def read() -> list[str]:
        stream = await interlingua.agenerate_content_stream(contents="Hi", **gemini(upstream))
        return [piece.text async for piece in stream]

    assert asyncio.run(read()) == ["Hello!"]


def test_contents_for_who_only_chats(upstream: Upstream) -> None:
    upstream.answer = lambda asked: Reply(json=chat("Hello!"))
    answer = asyncio.run(
        interlingua.agenerate_content(
            "openai/gpt-4o", "Hi", config={"maxOutputTokens": 5}, api_base=upstream.url + "/v1", api_key="k"
        )
    )
    assert answer.text == "Hello!" and answer.candidates[0].finishReason == "STOP"
    assert upstream.last.body["max_tokens"] == 5
