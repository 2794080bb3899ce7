"""Text completions of several prompts, where they are answered one by one."""

from __future__ import annotations

import asyncio
from typing import Any

import interlingua
import pytest
from conftest import Asked, Reply, Upstream
from interlingua import atext_completion, text_completion


def claude(upstream: Upstream) -> dict[str, Any]:
    """An Anthropic model answers each prompt with its own text in capitals."""

    def answer(asked: Asked) -> Reply:
        text = asked.body["messages"][0]["content"]
        text = text if isinstance(text, str) else text[0]["text"]
        message = {
            "id": f"msg_{text}",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": text.upper()}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 2, "output_tokens": 3},
        }
        return Reply(json=message)

    upstream.answer = answer
    return {"model": "anthropic/claude-sonnet-4-5", "api_key": "sk-ant", "api_base": upstream.url}


def test_several_prompts_over_chat_are_one_answer(upstream: Upstream) -> None:
    where = claude(upstream)
    prompts = ["one", "two", "three"]
    for response in (
        text_completion(prompt=prompts, **where),
        asyncio.run(atext_completion(prompt=prompts, **where)),
    ):
        assert [(choice.index, choice.text) for choice in response.choices] == [(0, "ONE"), (1, "TWO"), (2, "THREE")]
        usage = response.usage
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (6, 9, 15)
        one = text_completion(prompt="one", **where)
        assert response._hidden_params["response_cost"] == pytest.approx(3 * one._hidden_params["response_cost"])
    with pytest.raises(interlingua.UnsupportedParamsError, match="prompt"):
        text_completion(prompt=prompts, stream=True, **where)


def test_tokens_are_told_from_their_numbers_where_the_vocabulary_is_known(upstream: Upstream) -> None:
    where = claude(upstream)
    numbers = interlingua.encode(model="gpt-4o", text="hello")
    with pytest.raises(interlingua.UnsupportedParamsError, match="prompt"):
        text_completion(prompt=numbers, **where)
    where["model"] = "anthropic/gpt-4o"
    response = text_completion(prompt=[numbers, numbers], **where)
    assert [choice.text for choice in response.choices] == ["HELLO", "HELLO"]
    assert text_completion(prompt=numbers, **where).choices[0].text == "HELLO"


def test_who_takes_several_prompts_gets_them_all(upstream: Upstream, openai: dict[str, str]) -> None:
    choices = [{"index": i, "text": text, "logprobs": None, "finish_reason": "stop"} for i, text in enumerate("ab")]
    answer = {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": choices}
    upstream.replies(Reply(json=answer))
    assert len(text_completion(prompt=["a", "b"], **openai).choices) == 2
    text_completion(prompt=[1, 2], **openai)
    assert [asked.body["prompt"] for asked in upstream.asked] == [["a", "b"], [1, 2]]


def test_a_gap_is_refused_by_name(upstream: Upstream) -> None:
    with pytest.raises(interlingua.UnsupportedParamsError, match="suffix"):
        text_completion(prompt="a", suffix="c", **claude(upstream))
