"""Calls that are several requests: deployments that race, prompts that are answered one by one."""

from __future__ import annotations

import asyncio
from typing import Any

import interlingua
import pytest
from conftest import USER, Asked, Reply, Upstream, chat, stream
from interlingua import acompletion, atext_completion, completion, text_completion


def entry(upstream: Upstream, model: str, key: str, **params: Any) -> dict[str, Any]:
    where = {"model": f"openai/{model}", "api_key": key, "api_base": f"{upstream.url}/v1", "rpm": 5, **params}
    return {"model_name": "pair", "litellm_params": where}


def test_of_several_deployments_the_first_answer_wins(upstream: Upstream) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.body["model"] == "slow":
            return Reply(then="hang")
        return Reply(json=chat("from the fast one"))

    upstream.answer = answer
    both = [entry(upstream, "slow", "sk-1"), entry(upstream, "fast", "sk-2", temperature=0.5)]
    other = {"model_name": "other", "litellm_params": {"model": "openai/other"}}
    response = completion(model="pair", messages=USER, model_list=[*both, other])
    assert response.choices[0].message.content == "from the fast one"
    # The other one was hung up on.
    assert upstream.hung_up.wait(30)
    fast = next(asked for asked in upstream.asked if asked.body["model"] == "fast")
    assert (fast.headers["authorization"], fast.body["temperature"]) == ("Bearer sk-2", 0.5)
    assert "rpm" not in fast.body
    response = asyncio.run(acompletion(model="pair", messages=USER, model_list=both, temperature=1))
    assert response.choices[0].message.content == "from the fast one"
    assert upstream.last.body["temperature"] == 1 or upstream.asked[-2].body["temperature"] == 1


def test_a_deployment_that_fails_leaves_it_to_the_others(upstream: Upstream) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.body["model"] == "bad":
            return Reply(status=401, json={"error": {"message": "no"}})
        return stream("Hi")

    upstream.answer = answer
    bad, good = entry(upstream, "bad", "sk-1"), entry(upstream, "good", "sk-2")
    pieces = completion(model="pair", messages=USER, model_list=[bad, good], stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "Hi"
    for call in (
        lambda: completion(model="pair", messages=USER, model_list=[bad, bad]),
        lambda: asyncio.run(acompletion(model="pair", messages=USER, model_list=[bad, bad])),
    ):
        with pytest.raises(interlingua.AuthenticationError):
            call()
    with pytest.raises(interlingua.BadRequestError, match="model_list has no model named 'nobody'"):
        completion(model="nobody", messages=USER, model_list=[good])


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
