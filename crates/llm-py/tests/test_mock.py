"""Canned answers: no key, no network."""

from __future__ import annotations

import asyncio

import interlingua
import pytest
from conftest import USER
from interlingua import completion


def test_a_text_is_answered_with_fixed_usage() -> None:
    response = completion(model="gpt-4o", messages=USER, mock_response="Hello!")
    assert response.choices[0].message.content == "Hello!"
    assert response.choices[0].finish_reason == "stop"
    assert dict(response.usage)["total_tokens"] == 30
    assert response._hidden_params["response_cost"] == pytest.approx(10 * 2.5e-6 + 20 * 1e-5)


def test_the_json_is_in_litellms_order() -> None:
    response = completion(model="gpt-4o", messages=USER, mock_response="x")
    keys = list(response.model_dump())
    assert keys == ["id", "created", "model", "object", "system_fingerprint", "choices", "usage"]
    dumped = response.model_dump_json()
    assert '"message":{"content":"x","role":"assistant","tool_calls":null,"function_call":null' in dumped
    assert '"provider_specific_fields":null' in dumped
    assert "provider_specific_fields" not in response.json()["choices"][0]["message"]


def test_several_answers_are_the_same_answer() -> None:
    response = completion(model="gpt-4o", messages=USER, mock_response="x", n=3)
    assert [choice.index for choice in response.choices] == [0, 1, 2]


def test_a_stream_has_three_letters_a_piece() -> None:
    stream = completion(model="gpt-4o", messages=USER, mock_response="Hello you", stream=True)
    chunks = list(stream)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hel", "lo ", "you", None]
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", None, None, None]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert not hasattr(chunks[-1], "usage")
    options = {"include_usage": True}
    *_, last = completion(model="gpt-4o", messages=USER, mock_response="x", stream=True, stream_options=options)
    assert last.usage.total_tokens == 30


@pytest.mark.parametrize("name", ["RateLimitError", "ContextWindowExceededError", "InternalServerError"])
def test_errors_can_be_asked_for_by_name(name: str) -> None:
    with pytest.raises(getattr(interlingua, name), match="mock"):
        completion(model="gpt-4o", messages=USER, mock_response=f"litellm.{name}")


def test_errors_can_be_given() -> None:
    given = interlingua.NotFoundError("gone", "openai", "gpt-4o")
    with pytest.raises(interlingua.NotFoundError) as caught:
        completion(model="gpt-4o", messages=USER, mock_response=given)
    assert caught.value is given
    with pytest.raises(interlingua.exceptions.MockException) as other:
        completion(model="gpt-4o", messages=USER, mock_response=ValueError("no"))
    assert other.value.status_code == 500


def test_whole_answers_can_be_given() -> None:
    given = interlingua.ModelResponse(choices=[{"message": {"content": "given"}}], model="mine")
    assert completion(model="gpt-4o", messages=USER, mock_response=given) is given
    pieces = completion(model="gpt-4o", messages=USER, mock_response=given, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "given"


def test_tools_can_be_called() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    response = completion(model="gpt-4o", messages=USER, mock_tool_calls=[call])
    assert response.choices[0].message.tool_calls[0].function.name == "f"
    assert response.choices[0].message.content == "This is a mock request"


def test_time_can_run_out() -> None:
    with pytest.raises(interlingua.Timeout) as caught:
        completion(model="gpt-4o", messages=USER, mock_timeout=True, timeout=0.01)
    assert caught.value.status_code == 408


def test_vectors() -> None:
    response = interlingua.embedding(model="text-embedding-3-small", input="x", mock_response=[0.5, 1.0])
    assert response.data[0]["embedding"] == [0.5, 1.0]


def test_asynchronous_ones_are_the_same() -> None:
    async def ask() -> str:
        response = await interlingua.acompletion(model="gpt-4o", messages=USER, mock_response="x")
        return response.choices[0].message.content

    assert asyncio.run(ask()) == "x"


def test_the_demo_model_needs_nothing() -> None:
    response = completion(model="demo/demo", messages=USER)
    assert response.choices[0].message.content.endswith("Hi")
