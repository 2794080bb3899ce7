"""Calls in other dialects than chat: OpenAI's Responses and Google's generateContent, whoever answers."""

from __future__ import annotations

from . import _request
from ._stream import CustomStreamWrapper, _scan
from .main import _answer, _call, _result
from .types.dialects import GenerateContentResponse, ResponsesAPIResponse, ResponsesStreamEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._native import Meta

#: What Google's clients say in their `config` and its API beside `generationConfig`.
_BESIDE = {
    "system_instruction": "systemInstruction",
    "systemInstruction": "systemInstruction",
    "tools": "tools",
    "tool_config": "toolConfig",
    "toolConfig": "toolConfig",
    "safety_settings": "safetySettings",
    "safetySettings": "safetySettings",
    "cached_content": "cachedContent",
    "cachedContent": "cachedContent",
    "labels": "labels",
}


class ResponsesStream(CustomStreamWrapper):
    """A streamed response: iterate it, with `for` or with `async for`."""

    def _take(self) -> Any:
        return _event(self, ResponsesStreamEvent)


class GenerateContentStream(CustomStreamWrapper):
    """A streamed answer of Google's: iterate it, with `for` or with `async for`."""

    def _take(self) -> Any:
        return _event(self, GenerateContentResponse)


def _event(stream: CustomStreamWrapper, kind: Any) -> Any:
    text = stream._texts[stream._next]
    stream._next += 1
    fields, _ = _scan(text, 0)
    event = kind._wrap(fields)
    stream.chunks.append(event)
    return event


def responses(
    input: Any,
    model: str,
    include: list[str] | None = None,
    instructions: str | None = None,
    max_output_tokens: int | None = None,
    prompt: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    parallel_tool_calls: bool | None = None,
    previous_response_id: str | None = None,
    reasoning: dict[str, Any] | None = None,
    store: bool | None = None,
    background: bool | None = None,
    stream: bool | None = None,
    temperature: float | None = None,
    text: dict[str, Any] | None = None,
    text_format: Any = None,
    tool_choice: Any = None,
    tools: list[Any] | None = None,
    top_p: float | None = None,
    truncation: str | None = None,
    user: str | None = None,
    service_tier: str | None = None,
    safety_identifier: str | None = None,
    extra_headers: dict[str, str] | None = None,
    extra_query: dict[str, Any] | None = None,
    extra_body: dict[str, Any] | None = None,
    timeout: float | Any | None = None,
    allowed_openai_params: list[str] | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> ResponsesAPIResponse | ResponsesStream:
    """Answers in the Responses API's shape. With `stream=True` the answer comes event by event."""
    params = {name: value for name, value in locals().items() if value is not None}
    params.update(params.pop("kwargs"))
    return _response(*_call("responses", _responses, params))


async def aresponses(input: Any, model: str, **kwargs: Any) -> ResponsesAPIResponse | ResponsesStream:
    """Answers in the Responses API's shape; takes what `responses` takes."""
    params = {name: value for name, value in kwargs.items() if value is not None}
    params.update(input=input, model=model)
    return _response(*await _result("responses", _responses, params))


def generate_content(
    model: str,
    contents: Any,
    config: Any = None,
    tools: list[Any] | None = None,
    extra_headers: dict[str, str] | None = None,
    extra_query: dict[str, Any] | None = None,
    extra_body: dict[str, Any] | None = None,
    timeout: float | Any | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> GenerateContentResponse:
    """Answers in the shape of Google's generateContent."""
    params = {name: value for name, value in locals().items() if value is not None}
    params.update(params.pop("kwargs"))
    return _answer(GenerateContentResponse, *_call("generate_content", _contents, params))


async def agenerate_content(model: str, contents: Any, **kwargs: Any) -> GenerateContentResponse:
    """Answers in the shape of Google's generateContent; takes what `generate_content` takes."""
    params = {"model": model, "contents": contents, **kwargs}
    return _answer(GenerateContentResponse, *await _result("generate_content", _contents, params))


def generate_content_stream(model: str, contents: Any, **kwargs: Any) -> GenerateContentStream:
    """The same piece by piece; takes what `generate_content` takes."""
    params = {"model": model, "contents": contents, **kwargs, "stream": True}
    return GenerateContentStream(*_call("generate_content", _contents, params))


async def agenerate_content_stream(model: str, contents: Any, **kwargs: Any) -> GenerateContentStream:
    """The same piece by piece; takes what `generate_content` takes."""
    params = {"model": model, "contents": contents, **kwargs, "stream": True}
    return GenerateContentStream(*await _result("generate_content", _contents, params))


def _responses(params: dict[str, Any]) -> bytes:
    wanted = params.pop("text_format", None)
    if wanted is not None:
        format = _request.response_format(wanted)
        format = {"type": format["type"], **format.get("json_schema", {})}
        params["text"] = {**params.get("text", {}), "format": format}
    return _request.body(params)


def _contents(params: dict[str, Any]) -> bytes:
    config = params.pop("config", None)
    if config is not None:
        config = dict(config if type(config) is dict else _request.plain(config))
        for name in [name for name in config if name in _BESIDE]:
            params.setdefault(_BESIDE[name], config.pop(name))
        if config:
            params["generationConfig"] = config
    contents = params["contents"]
    if not isinstance(contents, (list, tuple)):
        contents = [contents]
    params["contents"] = [_content(content) for content in contents]
    system = params.get("systemInstruction")
    if isinstance(system, str):
        params["systemInstruction"] = {"parts": [{"text": system}]}
    params = {name: value for name, value in params.items() if value is not None}
    return _request.body(params)


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return {"role": "user", "parts": [{"text": content}]}
    return content


def _response(answer: Any, meta: Meta) -> ResponsesAPIResponse | ResponsesStream:
    if type(answer) is str:
        return _answer(ResponsesAPIResponse, answer, meta)
    return ResponsesStream(answer, meta)
