"""Streamed answers."""

from __future__ import annotations

import json
import os
import time

from .exceptions import APIConnectionError, InternalServerError, MidStreamFallbackError, Timeout
from .types.chat import ModelResponseStream
from .types.other import TextCompletionResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from ._native import Meta, Stream

_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def _limit(name: str, default: float | None) -> float | None:
    """A limit that the environment may set."""
    try:
        return float(os.environ[name])
    except (KeyError, ValueError):
        return default


class CustomStreamWrapper:
    """A streamed chat answer: iterate it, with `for` or with `async for`."""

    def __init__(
        self, completion_stream: Stream, meta: Meta, model: str | None = None, *, routed: bool = False
    ) -> None:
        self.completion_stream = completion_stream
        self.model = meta.model
        self.custom_llm_provider = meta.provider
        self.logging_obj: Any = None
        self.chunks: list[Any] = []
        self.response_id: str | None = None
        self._meta = meta
        self._hidden: dict[str, Any] | None = None
        self._texts: list[str] = []
        self._next = 0
        self._created: int | None = None
        self._roles: set[int] = set()
        self._tools: set[int] = set()
        self._ended = False
        self._closed: str | None = None
        self._routed = routed
        self._cost: float | None = None
        self._last: str | None = None
        self._repeats = 0
        self._most_repeats = _limit("REPEATED_STREAMING_CHUNK_LIMIT", 100) or 0
        longest = _limit("LITELLM_MAX_STREAMING_DURATION_SECONDS", None)
        self._deadline = None if longest is None else time.monotonic() + longest

    @property
    def _hidden_params(self) -> dict[str, Any]:
        if self._hidden is None:
            self._hidden = self._meta.hidden()
            if self._cost is not None:
                self._hidden["response_cost"] = self._cost
        return self._hidden

    @_hidden_params.setter
    def _hidden_params(self, value: dict[str, Any]) -> None:
        self._hidden = value

    def __iter__(self) -> Iterator[ModelResponseStream]:
        return self

    def __next__(self) -> ModelResponseStream:
        while True:
            if self._next < len(self._texts):
                chunk = self._take()
                if chunk is not None:
                    return chunk
                continue
            if self._over():
                raise StopIteration
            try:
                texts = self.completion_stream.wait()
            except Exception as error:
                raise self._broken(error) from None
            self._refill(texts)

    def __aiter__(self) -> AsyncIterator[ModelResponseStream]:
        return self

    async def __anext__(self) -> ModelResponseStream:
        while True:
            if self._next < len(self._texts):
                chunk = self._take()
                if chunk is not None:
                    return chunk
                continue
            if self._over():
                raise StopAsyncIteration
            from ._bridge import bridge

            try:
                texts = await bridge().result(self.completion_stream)
            except Exception as error:
                self._closed = "it broke off"
                raise self._broken(error) from None
            except BaseException:
                # The wait was cancelled, and with it the answer: what came so far is not all of it.
                self._closed = "the wait for it was cancelled"
                raise
            self._refill(texts)

    def close(self) -> None:
        """Hangs up. The stream is over then."""
        self.completion_stream.cancel()
        self._ended = True
        self._texts, self._next = [], 0

    async def aclose(self) -> None:
        """Hangs up. The stream is over then."""
        self.close()

    def fetch_sync_stream(self) -> Stream:
        """The native stream."""
        return self.completion_stream

    async def fetch_stream(self) -> Stream:
        """The native stream."""
        return self.completion_stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _over(self) -> bool:
        if self._ended:
            return True
        if self._closed is not None:
            raise APIConnectionError(f"the stream is not complete: {self._closed}", self.custom_llm_provider, self.model)
        return False

    def _broken(self, error: Exception) -> Exception:
        """The error of a stream that broke, and what had come until then."""
        if not hasattr(error, "llm_provider"):
            return error
        came = "".join(self._said(chunk.choices[0]) for chunk in self.chunks if chunk.choices)
        if self._routed:
            return MidStreamFallbackError(
                str(error),
                self.model,
                self.custom_llm_provider,
                original_exception=error,
                generated_content=came,
                is_pre_first_chunk=not self.chunks,
            )
        facts: Any = error
        facts.generated_content, facts.is_pre_first_chunk = came, not self.chunks
        return error

    def _said(self, choice: Any) -> str:
        return choice.delta.content or ""

    def _give_up(self, error: Exception, why: str) -> Exception:
        """Hangs up because of what came. Reading on is an error then."""
        self.close()
        self._ended, self._closed = False, why
        return self._broken(error)

    def _guard(self, fields: dict[str, Any]) -> None:
        """Ends a stream that goes on for too long, or says the same again and again."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            message = "the stream went on for longer than LITELLM_MAX_STREAMING_DURATION_SECONDS"
            raise self._give_up(Timeout(message, self.custom_llm_provider, self.model), "it took too long")
        choices = fields.get("choices")
        text = (choices[0].get("delta") or {}).get("content") if choices else None
        if text is None or text != self._last:
            self._last, self._repeats = text, 1
            return
        self._repeats += 1
        if self._repeats >= self._most_repeats and len(text) > 2:
            message = f"The model is repeating the same chunk = {text}."
            error = InternalServerError(message, self.custom_llm_provider, self.model)
            raise self._give_up(error, "it said the same again and again")

    def _refill(self, texts: list[str]) -> None:
        self._texts, self._next = texts, 0
        if not texts:
            self._ended = True
            self._cost = self.completion_stream.cost()
            if self._hidden is not None and self._cost is not None:
                self._hidden["response_cost"] = self._cost
            counted = self.completion_stream.usage()
            if counted is not None and self.chunks:
                # Not shown where it was not asked for, but there for who puts the pieces together.
                self.chunks[-1]._hidden_params["usage"] = json.loads(counted)

    def _take(self) -> ModelResponseStream | None:
        """The next chunk; None for one that says nothing."""
        text = self._texts[self._next]
        self._next += 1
        fields, _ = _scan(text, 0)
        self._guard(fields)
        if self.response_id is None:
            self.response_id = fields.get("id")
            self._created = fields.get("created")
        # One answer has one name, whatever vendors put on its pieces.
        fields["id"], fields["created"], fields["model"] = self.response_id, self._created, self.model
        fields["object"] = "chat.completion.chunk"
        usage = fields.get("usage", self)
        if usage is None:
            del fields["usage"]
        choices = fields.get("choices")
        if choices:
            for choice in choices:
                self._tidy(choice)
        elif usage is self or usage is None:
            return None
        else:
            # Readers index the first choice of every chunk.
            fields["choices"] = [{"index": 0, "delta": {}, "finish_reason": None}]
        chunk = ModelResponseStream.__new__(ModelResponseStream)
        chunk.__dict__ = fields
        self.chunks.append(chunk)
        return chunk

    def _tidy(self, choice: dict[str, Any]) -> None:
        """The role comes once, at the beginning; whoever called tools ended because of them."""
        delta = choice.get("delta")
        if delta is None:
            delta = choice["delta"] = {}
        index = choice.get("index", 0)
        if index in self._roles:
            if "role" in delta:
                del delta["role"]
        else:
            self._roles.add(index)
            delta["role"] = "assistant"
        if delta.get("tool_calls"):
            self._tools.add(index)
        if choice.get("finish_reason") == "stop" and index in self._tools:
            choice["finish_reason"] = "tool_calls"


class TextCompletionStreamWrapper(CustomStreamWrapper):
    """A streamed text."""

    def _said(self, choice: Any) -> str:
        return choice.text or ""

    def _take(self) -> Any:
        text = self._texts[self._next]
        self._next += 1
        fields, _ = _scan(text, 0)
        if fields.get("usage", self) is None:
            del fields["usage"]
        chunk = TextCompletionResponse.__new__(TextCompletionResponse)
        chunk.__dict__ = fields
        self.chunks.append(chunk)
        return chunk
