"""Response objects: attributes and items, dumps, copies."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from conftest import USER, Upstream, chat
from interlingua import Choices, Delta, Function, Message, ModelResponse, StreamingChoices, Usage, completion
from interlingua.types import utils
from interlingua.types.utils import (
    ChatCompletionDeltaToolCall,
    ChatCompletionMessageToolCall,
    ModelResponseStream,
)


@pytest.fixture
def response(upstream: Upstream, openai: dict[str, str]) -> ModelResponse:
    return completion(messages=USER, **openai)


def test_fields_are_attributes_and_items(response: ModelResponse) -> None:
    assert response.choices[0].message.content == response["choices"][0]["message"]["content"] == "Hello!"
    assert response.get("choices")[0].get("message").get("content") == "Hello!"
    assert "usage" in response
    assert "nothing" not in response
    assert response.get("nothing", 1) == 1
    assert isinstance(response, ModelResponse)
    assert isinstance(response.choices[0], Choices)
    assert isinstance(response.choices[0].message, Message)
    assert isinstance(response.usage, Usage)
    with pytest.raises(AttributeError):
        response["nothing"]
    with pytest.raises(AttributeError):
        _ = response.nothing


def test_what_is_not_there_is_absent_and_not_none(response: ModelResponse) -> None:
    message = response.choices[0].message
    for name in ("reasoning_content", "thinking_blocks", "audio", "images"):
        assert not hasattr(message, name)
    assert message.annotations == []
    assert (message.tool_calls, message.function_call, message.refusal) == (None, None, None)
    assert not hasattr(response.choices[0], "logprobs")
    assert not hasattr(response.usage, "cost")
    del message.reasoning_content


def test_fields_can_be_set(response: ModelResponse) -> None:
    response.choices[0].message.content = "changed"
    response["mine"] = 1
    assert response.model_dump()["choices"][0]["message"]["content"] == "changed"
    assert response.mine == 1
    assert response.model_extra == {"mine": 1}


def test_usage_reads_like_a_dict(response: ModelResponse) -> None:
    usage = response.usage
    assert usage.prompt_tokens_details.cached_tokens == 4
    assert usage["prompt_tokens"] == usage.get("prompt_tokens") == dict(usage)["prompt_tokens"] == 9
    assert usage.model_dump()["prompt_tokens_details"]["cached_tokens"] == 4


def test_dumps(response: ModelResponse) -> None:
    dumped = response.model_dump()
    assert dumped == response.json() == response.dict() == response.to_dict()
    assert dumped["choices"][0]["message"]["content"] == "Hello!"
    assert type(dumped["choices"][0]) is dict
    assert json.loads(response.model_dump_json())["id"] == "chatcmpl-1"
    assert dict(response)["id"] == "chatcmpl-1"
    assert "system_fingerprint" not in response.model_dump(exclude={"system_fingerprint"})
    assert None not in response.model_dump(exclude_none=True)["choices"][0]["message"].values()


def test_copies_are_equal_and_independent(response: ModelResponse) -> None:
    for twin in (copy.deepcopy(response), pickle.loads(pickle.dumps(response))):
        assert twin == response
        assert twin._hidden_params == response._hidden_params
        twin.choices[0].message.content = "other"
        assert response.choices[0].message.content == "Hello!"
        assert twin != response
    assert copy.copy(response) == response
    assert response.model_copy(update={"id": "x"}).id == "x"
    assert response != response.model_dump()


def test_the_text_shows_the_class_and_the_fields(response: ModelResponse) -> None:
    assert repr(response).startswith("ModelResponse(id='chatcmpl-1'")
    assert "Message(content='Hello!'" in repr(response)


def test_programs_make_their_own() -> None:
    response = ModelResponse(id="1", choices=[Choices(message=Message(content="x", role="assistant"))], model="m")
    assert response.choices[0].finish_reason == "stop"
    assert response.object == "chat.completion"
    assert response.usage.total_tokens == 0
    assert ModelResponse(choices=[{"message": {"content": "y"}}]).choices[0].message.content == "y"
    assert Message(content=None, tool_calls=[]).tool_calls is None
    assert Message(role="user", content="x", name="n").model_dump()["name"] == "n"
    assert Function(name="f", arguments={"a": 1}).arguments == '{"a": 1}'
    assert Function(name="f", arguments=None).arguments == ""
    call = ChatCompletionMessageToolCall(function=Function(name="f", arguments="{}"))
    assert call.type == "function"
    assert len(call.id) == 36
    call.function.arguments += " "
    assert call["function"]["arguments"] == "{} "
    fragment = ChatCompletionDeltaToolCall(id="1", function={"name": "f", "arguments": "{"}, index=2)
    fragment.function.arguments += "}"
    assert fragment.to_dict()["function"]["arguments"] == "{}"
    assert Delta(content="x").role is None
    assert StreamingChoices(delta=Delta(content="x")).delta.content == "x"
    assert ModelResponseStream(choices=[StreamingChoices()]).object == "chat.completion.chunk"


def test_the_callers_dicts_stay_the_callers() -> None:
    given = {"role": "assistant", "content": "x"}
    choice = Choices(message=given)
    choice.message.content = "y"
    assert given["content"] == "x"


def test_usage_is_normalised() -> None:
    usage = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15, cache_read_input_tokens=4)
    assert usage.prompt_tokens_details.cached_tokens == 4
    assert usage.cache_read_input_tokens == 4
    assert usage._cache_read_input_tokens == 4
    written = Usage(prompt_tokens=10, cache_creation_input_tokens=3)
    assert written.prompt_tokens_details.cache_creation_tokens == 3
    assert written.prompt_tokens_details.cache_write_tokens == 3
    assert Usage(prompt_cache_hit_tokens=2).prompt_tokens_details.cached_tokens == 2
    assert Usage(completion_tokens=9, reasoning_tokens=4).completion_tokens_details.text_tokens == 5
    assert (Usage().prompt_tokens, Usage().prompt_tokens_details) == (0, None)


def test_one_class_is_one_object_under_all_its_paths() -> None:
    import interlingua.litellm_core_utils.streaming_handler
    import interlingua.main
    import interlingua.utils

    assert interlingua.ModelResponse is utils.ModelResponse is interlingua.utils.ModelResponse
    assert interlingua.main.ModelResponse is interlingua.ModelResponse
    handler = interlingua.litellm_core_utils.streaming_handler
    assert handler.CustomStreamWrapper is interlingua.CustomStreamWrapper is interlingua.main.CustomStreamWrapper
    assert ModelResponse.__module__.startswith("interlingua.types.")


def test_unknown_fields_survive(upstream: Upstream, openai: dict[str, str]) -> None:
    from conftest import Reply

    upstream.replies(Reply(json={**chat(), "citations": ["a"], "service_tier": None}))
    response = completion(messages=USER, **openai)
    assert response.citations == ["a"]
    assert response.model_dump()["citations"] == ["a"]
    assert not hasattr(response, "service_tier")
