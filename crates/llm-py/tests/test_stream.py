"""Streamed answers, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
from typing import Any

import interlingua
import pytest
from conftest import DONE, USAGE, USER, Reply, Upstream, chat, chunk, stream
from interlingua import CustomStreamWrapper, ModelResponseStream, acompletion, completion


def test_texts_come_in_pieces(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hel", "lo", "!"))
    response = completion(messages=USER, stream=True, **openai)
    assert isinstance(response, CustomStreamWrapper)
    chunks = list(response)
    assert all(isinstance(chunk, ModelResponseStream) for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello!"
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", None, None, None, None]
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert {chunk.model for chunk in chunks} == {"gpt-4o"}
    assert {chunk.id for chunk in chunks} == {"chatcmpl-1"}
    assert not any(hasattr(chunk, "usage") for chunk in chunks)
    assert response.chunks == chunks
    assert upstream.last.body["stream_options"] == {"include_usage": True}
    assert list(response) == []


def test_usage_comes_last_and_only_where_asked_for(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hi"))
    *_, last = completion(messages=USER, stream=True, stream_options={"include_usage": True}, **openai)
    assert last.usage.total_tokens == 12
    assert last.usage["prompt_tokens"] == 9
    # Readers index the first choice of every chunk.
    assert last.choices[0].delta.content is None


def test_asynchronous_streams_are_the_same(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hel", "lo", "!"))

    async def read() -> str:
        response = await acompletion(messages=USER, stream=True, **openai)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in response])

    assert asyncio.run(read()) == "Hello!"


def test_a_synchronous_stream_can_be_read_in_a_loop_and_the_other_way_round(
    upstream: Upstream, openai: dict[str, str]
) -> None:
    upstream.replies(stream("a", "b"))

    async def read() -> list[str]:
        response = completion(messages=USER, stream=True, **openai)
        return [chunk.choices[0].delta.content async for chunk in response]

    assert asyncio.run(read()) == ["", "a", "b", None]
    response = asyncio.run(acompletion(messages=USER, stream=True, **openai))
    assert [chunk.choices[0].delta.content for chunk in response] == ["", "a", "b", None]


def test_calls_of_tools_come_in_fragments(upstream: Upstream, openai: dict[str, str]) -> None:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    frames = [
        chunk({"role": "assistant", "content": None, "tool_calls": [first]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk({}, "stop"),
        DONE,
    ]
    upstream.replies(Reply(frames=frames))
    chunks = list(completion(messages=USER, stream=True, **openai))
    fragments = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [call.id for call in fragments] == ["call_1", None, None]
    assert [call.type for call in fragments] == ["function"] * 3
    assert "".join(call.function.arguments for call in fragments) == '{"a":1}'
    assert isinstance(fragments[0], interlingua.ChatCompletionDeltaToolCall)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"

    whole = interlingua.stream_chunk_builder(chunks)
    [call] = whole.choices[0].message.tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "f", '{"a":1}')


def test_pieces_are_put_together(upstream: Upstream, openai: dict[str, str]) -> None:
    frames = [
        chunk({"role": "assistant", "reasoning_content": "Let me "}),
        chunk({"reasoning_content": "think."}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, "length"),
        chunk(None, usage=USAGE),
        DONE,
    ]
    upstream.replies(Reply(frames=frames))
    options = {"include_usage": True}
    chunks = list(completion(messages=USER, stream=True, stream_options=options, **openai))
    whole = interlingua.stream_chunk_builder(chunks)
    assert isinstance(whole, interlingua.ModelResponse)
    message = whole.choices[0].message
    assert (message.content, message.reasoning_content) == ("Hello", "Let me think.")
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.total_tokens == 12
    assert interlingua.stream_chunk_builder([]) is None

    # The vendor's count is there though nobody asked for it.
    chunks = list(completion(messages=USER, stream=True, **openai))
    assert not hasattr(chunks[-1], "usage")
    assert interlingua.stream_chunk_builder(chunks).usage.total_tokens == 12

    upstream.replies(Reply(frames=frames))
    response = completion(messages=USER, stream=True, complete_response=True, **openai)
    assert response.choices[0].message.content == "Hello"


def test_thinking_keeps_its_signatures() -> None:
    def piece(**delta: Any) -> dict[str, Any]:
        return {"id": "1", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta}]}

    def thinking(text: str, signature: str | None = None) -> dict[str, Any]:
        block = {"type": "thinking", "thinking": text}
        return {**block, "signature": signature} if signature else block

    whole = interlingua.stream_chunk_builder(
        [
            piece(thinking_blocks=[thinking("a")]),
            piece(thinking_blocks=[thinking("b")]),
            piece(thinking_blocks=[thinking("", "sig1")]),
            piece(thinking_blocks=[thinking("c", "sig2")]),
            piece(content="x"),
        ]
    )
    assert whole.choices[0].message.thinking_blocks == [thinking("ab", "sig1"), thinking("c", "sig2")]


def test_a_stream_that_is_cut_is_an_error(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hel", then="cut"))
    read = []
    with pytest.raises(interlingua.APIConnectionError):
        for piece in completion(messages=USER, stream=True, **openai):
            read.append(piece.choices[0].delta.content)
    assert read == ["", "Hel"]


def test_an_error_in_a_stream_is_its_own_class(upstream: Upstream, openai: dict[str, str]) -> None:
    error = 'data: {"error": {"message": "too fast", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}\n\n'
    upstream.replies(Reply(frames=[chunk({"content": "Hel"}), error]))

    async def read() -> None:
        async for _ in await acompletion(messages=USER, stream=True, **openai):
            pass

    with pytest.raises(interlingua.RateLimitError, match="too fast"):
        asyncio.run(read())


def test_closing_hangs_up(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hel", then="wait"))
    with completion(messages=USER, stream=True, **openai) as response:
        assert next(response).choices[0].delta.role == "assistant"
    assert upstream.hung_up.wait(10)
    assert list(response) == []


def test_forgetting_a_stream_hangs_up(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hel", then="wait"))
    response = completion(messages=USER, stream=True, **openai)
    next(response)
    del response
    assert upstream.hung_up.wait(10)


def test_a_cancelled_reader_hangs_up(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hel", then="wait"))

    async def read() -> None:
        response = await acompletion(messages=USER, stream=True, **openai)
        reading = asyncio.Event()

        async def consume() -> None:
            async for _ in response:
                reading.set()

        task = asyncio.create_task(consume())
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(upstream.hung_up.wait, 10)
        # What came is not the whole answer, and must not look like it.
        with pytest.raises(interlingua.APIConnectionError):
            async for _ in response:
                pass

    asyncio.run(read())


def test_a_cancelled_call_hangs_up(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(Reply(then="hang"))

    async def ask() -> None:
        task = asyncio.create_task(acompletion(messages=USER, **openai))
        await asyncio.to_thread(upstream.waiting.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(upstream.hung_up.wait, 10)

    asyncio.run(ask())


def test_many_streams_at_once(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream(*(str(n % 10) for n in range(50))))

    async def one() -> str:
        response = await acompletion(messages=USER, stream=True, **openai)
        return "".join([piece.choices[0].delta.content or "" async for piece in response])

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(20)))

    assert asyncio.run(all_of_them()) == ["0123456789" * 5] * 20


def test_texts_of_text_completions_come_in_pieces(upstream: Upstream, openai: dict[str, str]) -> None:
    def piece(text: str, finish: str | None = None) -> str:
        import json

        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        whole = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
        return f"data: {json.dumps(whole)}\n\n"

    upstream.replies(Reply(frames=[piece("Hel"), piece("lo", "stop"), DONE]))
    model = {**openai, "model": "text-completion-openai/gpt-3.5-turbo-instruct"}
    chunks = list(interlingua.text_completion(prompt="x", stream=True, **model))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Hello"
    assert interlingua.stream_chunk_builder(chunks).choices[0].text == "Hello"


def test_what_had_come_is_on_the_error(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("Hel", "lo", then="cut"))
    with pytest.raises(interlingua.APIConnectionError) as caught:
        list(completion(messages=USER, stream=True, **openai))
    assert (caught.value.generated_content, caught.value.is_pre_first_chunk) == ("Hello", False)

    async def read() -> None:
        async for _ in await acompletion(messages=USER, stream=True, fallbacks=["openai/other"], **openai):
            pass

    for call in (
        lambda: list(completion(messages=USER, stream=True, fallbacks=["openai/other"], **openai)),
        lambda: asyncio.run(read()),
    ):
        with pytest.raises(interlingua.MidStreamFallbackError) as broken:
            call()
        error = broken.value
        assert (error.generated_content, error.is_pre_first_chunk) == ("Hello", False)
        assert isinstance(error.original_exception, interlingua.APIConnectionError)
        assert isinstance(error, interlingua.ServiceUnavailableError)
        assert error.message.startswith("litellm.MidStreamFallbackError: litellm.APIConnectionError: ")
        assert (error.model, error.llm_provider, error.status_code) == ("gpt-4o", "openai", 500)


def test_a_model_that_repeats_itself_is_stopped(
    upstream: Upstream, openai: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPEATED_STREAMING_CHUNK_LIMIT", "5")
    upstream.replies(stream(*["again"] * 4, "and", *["again"] * 4))
    assert len(list(completion(messages=USER, stream=True, **openai))) == 11
    upstream.replies(stream(*["no"] * 50))
    assert len(list(completion(messages=USER, stream=True, **openai))) == 52
    upstream.replies(stream("well ", *["again"] * 50, then="wait"))
    response = completion(messages=USER, stream=True, **openai)
    read = []
    with pytest.raises(interlingua.InternalServerError, match="repeating the same chunk = again"):
        for piece in response:
            read.append(piece.choices[0].delta.content)
    assert read == ["", "well ", *["again"] * 4]
    assert upstream.hung_up.wait(30)
    # What was cut short is no answer, also for who reads on.
    with pytest.raises(interlingua.APIConnectionError, match="again and again"):
        next(response)


def test_a_stream_may_not_go_on_for_ever(
    upstream: Upstream, openai: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITELLM_MAX_STREAMING_DURATION_SECONDS", "0")
    upstream.replies(stream("Hel", "lo", then="wait"))
    with pytest.raises(interlingua.Timeout, match="LITELLM_MAX_STREAMING_DURATION_SECONDS"):
        list(completion(messages=USER, stream=True, **openai))
    assert upstream.hung_up.wait(30)


def test_a_streams_cost_is_known_at_its_end(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(Reply(json=chat("Hi")))
    whole = completion(messages=USER, **openai)._hidden_params["response_cost"]
    frames = [chunk({"content": "Hi"}), chunk({}, "stop"), chunk(None, usage=chat()["usage"]), DONE]
    upstream.replies(Reply(frames=frames))
    response = completion(messages=USER, stream=True, **openai)
    assert response._hidden_params["response_cost"] is None
    list(response)
    assert response._hidden_params["response_cost"] == whole > 0
