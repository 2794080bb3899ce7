"""Calls of models: chat, text and embeddings, synchronous and asynchronous."""

from __future__ import annotations

from . import _request, _several
from ._chunks import stream_chunk_builder
from ._native import Client
from ._stream import CustomStreamWrapper, TextCompletionStreamWrapper, _scan
from .exceptions import BadRequestError, MockException, _join_openai
from .types.chat import ModelResponse
from .types.other import EmbeddingResponse, TextCompletionResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._native import Meta

_client = Client()


def completion(
    model: str,
    messages: Any = (),
    timeout: float | str | Any | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    n: int | None = None,
    stream: bool | None = None,
    stream_options: dict[str, Any] | None = None,
    stop: str | list[str] | None = None,
    max_completion_tokens: int | None = None,
    max_tokens: int | None = None,
    modalities: list[str] | None = None,
    prediction: dict[str, Any] | None = None,
    audio: dict[str, Any] | None = None,
    presence_penalty: float | None = None,
    frequency_penalty: float | None = None,
    logit_bias: dict[str, float] | None = None,
    user: str | None = None,
    reasoning_effort: str | dict[str, Any] | None = None,
    verbosity: str | None = None,
    response_format: dict[str, Any] | type | None = None,
    seed: int | None = None,
    tools: list[Any] | None = None,
    tool_choice: str | dict[str, Any] | None = None,
    logprobs: bool | None = None,
    top_logprobs: int | None = None,
    parallel_tool_calls: bool | None = None,
    web_search_options: dict[str, Any] | None = None,
    include_server_side_tool_invocations: bool | None = None,
    deployment_id: str | None = None,
    extra_headers: dict[str, str] | None = None,
    safety_identifier: str | None = None,
    service_tier: str | None = None,
    store: bool | None = None,
    prompt_cache_key: str | None = None,
    functions: list[Any] | None = None,
    function_call: str | dict[str, Any] | None = None,
    base_url: str | None = None,
    api_version: str | None = None,
    api_key: str | None = None,
    model_list: list[dict[str, Any]] | None = None,
    thinking: dict[str, Any] | bool | None = None,
    shared_session: Any = None,
    enable_json_schema_validation: bool | None = None,
    **kwargs: Any,
) -> ModelResponse | CustomStreamWrapper:
    """Answers a conversation. With `stream=True` the answer comes in pieces."""
    params = {name: value for name, value in locals().items() if value is not None}
    params.update(params.pop("kwargs"))
    mocked = _mocked(params)
    if mocked is not None:
        return mocked
    whole = params.pop("complete_response", False)
    routed = "fallbacks" in params
    answer, meta = _call("completion", _request.chat_body, params)
    response = _chat_response(answer, meta, routed=routed)
    return _assembled(response) if whole else response


async def acompletion(
    model: str,
    messages: Any = (),
    functions: list[Any] | None = None,
    function_call: str | dict[str, Any] | None = None,
    timeout: float | str | Any | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    n: int | None = None,
    stream: bool | None = None,
    stream_options: dict[str, Any] | None = None,
    stop: str | list[str] | None = None,
    max_completion_tokens: int | None = None,
    max_tokens: int | None = None,
    modalities: list[str] | None = None,
    prediction: dict[str, Any] | None = None,
    audio: dict[str, Any] | None = None,
    presence_penalty: float | None = None,
    frequency_penalty: float | None = None,
    logit_bias: dict[str, float] | None = None,
    user: str | None = None,
    reasoning_effort: str | dict[str, Any] | None = None,
    verbosity: str | None = None,
    response_format: dict[str, Any] | type | None = None,
    seed: int | None = None,
    tools: list[Any] | None = None,
    tool_choice: str | dict[str, Any] | None = None,
    logprobs: bool | None = None,
    top_logprobs: int | None = None,
    parallel_tool_calls: bool | None = None,
    web_search_options: dict[str, Any] | None = None,
    include_server_side_tool_invocations: bool | None = None,
    deployment_id: str | None = None,
    extra_headers: dict[str, str] | None = None,
    safety_identifier: str | None = None,
    service_tier: str | None = None,
    store: bool | None = None,
    prompt_cache_key: str | None = None,
    base_url: str | None = None,
    api_version: str | None = None,
    api_key: str | None = None,
    model_list: list[dict[str, Any]] | None = None,
    thinking: dict[str, Any] | bool | None = None,
    shared_session: Any = None,
    enable_json_schema_validation: bool | None = None,
    **kwargs: Any,
) -> ModelResponse | CustomStreamWrapper:
    """Answers a conversation. With `stream=True` the answer comes in pieces: `async for` reads them."""
    params = {name: value for name, value in locals().items() if value is not None}
    params.update(params.pop("kwargs"))
    mocked = _mocked(params)
    if mocked is not None:
        return mocked
    whole = params.pop("complete_response", False)
    routed = "fallbacks" in params
    answer, meta = await _result("completion", _request.chat_body, params)
    response = _chat_response(answer, meta, routed=routed)
    if whole and isinstance(response, CustomStreamWrapper):
        async for _ in response:
            pass
        return _assembled(response)
    return response


def text_completion(
    prompt: Any = None,
    model: str | None = None,
    best_of: int | None = None,
    echo: bool | None = None,
    frequency_penalty: float | None = None,
    logit_bias: dict[str, float] | None = None,
    logprobs: int | None = None,
    max_tokens: int | None = None,
    n: int | None = None,
    presence_penalty: float | None = None,
    stop: str | list[str] | None = None,
    stream: bool | None = None,
    stream_options: dict[str, Any] | None = None,
    suffix: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    user: str | None = None,
    api_base: str | None = None,
    api_version: str | None = None,
    api_key: str | None = None,
    model_list: list[dict[str, Any]] | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> TextCompletionResponse | TextCompletionStreamWrapper:
    """Continues a text."""
    params = {name: value for name, value in locals().items() if value is not None}
    params.update(params.pop("kwargs"))
    parts = _several.prompts(_named(params))
    if len(parts) > 1:
        return _joined(_several.each("text_completion", [_request.body(_request.with_settings(one)) for one in parts]))
    return _text_response(*_call("text_completion", _request.body, parts[0]))


async def atext_completion(*args: Any, **kwargs: Any) -> TextCompletionResponse | TextCompletionStreamWrapper:
    """Continues a text; takes what `text_completion` takes."""
    names = (
        "prompt",
        "model",
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
    )
    params = dict(zip(names, args), **kwargs)
    params = {name: value for name, value in params.items() if value is not None}
    parts = _several.prompts(_named(params))
    if len(parts) > 1:
        bodies = [_request.body(_request.with_settings(one)) for one in parts]
        return _joined(await _several.aeach("text_completion", bodies))
    return _text_response(*await _result("text_completion", _request.body, parts[0]))


def embedding(
    model: str,
    input: Any = (),
    dimensions: int | None = None,
    encoding_format: str | None = None,
    timeout: float | None = 600,
    api_base: str | None = None,
    api_version: str | None = None,
    api_key: str | None = None,
    api_type: str | None = None,
    caching: bool | None = None,
    user: str | None = None,
    custom_llm_provider: str | None = None,
    litellm_call_id: str | None = None,
    logger_fn: Any = None,
    **kwargs: Any,
) -> EmbeddingResponse:
    """Makes vectors of texts or images."""
    params = {name: value for name, value in locals().items() if value is not None}
    params.update(params.pop("kwargs"))
    answer, meta = _call("embedding", _embedding, params)
    return _answer(EmbeddingResponse, answer, meta)


async def aembedding(*args: Any, **kwargs: Any) -> EmbeddingResponse:
    """Makes vectors of texts or images; takes what `embedding` takes."""
    names = (
        "model",
        "input",
        "dimensions",
        "encoding_format",
        "timeout",
        "api_base",
        "api_version",
        "api_key",
    )
    params = {"timeout": 600, **dict(zip(names, args)), **kwargs}
    params = {name: value for name, value in params.items() if value is not None}
    answer, meta = await _result("embedding", _embedding, params)
    return _answer(EmbeddingResponse, answer, meta)


def batch_completion(
    model: str,
    messages: Any = (),
    max_workers: int = 100,
    **kwargs: Any,
) -> list[Any]:
    """Answers many conversations at once: a list of responses, exceptions in their places."""
    waiting: list[Any] = []
    answers: list[Any] = []

    def collect() -> None:
        try:
            answers.append(_chat_response(*waiting.pop(0).wait()))
        except Exception as error:
            answers.append(error)

    for conversation in messages:
        if len(waiting) >= max(max_workers, 1):
            collect()
        params = {name: value for name, value in kwargs.items() if value is not None}
        params.update(model=model, messages=conversation)
        waiting.append(_client.start("completion", _request.chat_body(_request.with_settings(params))))
    while waiting:
        collect()
    return answers


def _call(op: str, write: Callable[[dict[str, Any]], bytes], params: dict[str, Any]) -> tuple[Any, Meta]:
    """Makes a call: through the router that is named as `_via`, or straight."""
    client, params = _settled(params)
    return client.call(op, write(params))


async def _result(op: str, write: Callable[[dict[str, Any]], bytes], params: dict[str, Any]) -> tuple[Any, Meta]:
    """The same in an asyncio loop."""
    from ._bridge import bridge

    client, params = _settled(params)
    return await bridge().result(client.start(op, write(params)))


def _settled(params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Who makes the call, and what the module adds to it: a router knows by itself where calls go."""
    via, listed = params.pop("_via", None), params.pop("model_list", None)
    if via is None and listed:
        from .router import over

        via = over(listed)
    if via is None:
        return _client, _request.with_settings(params)
    return via, _request.with_manners(params)


def _named(params: dict[str, Any]) -> dict[str, Any]:
    model = params.pop("engine", None)
    if "model" not in params:
        if model is None:
            raise BadRequestError("'model' is missing", param="model")
        params["model"] = model
    return params


def _embedding(params: dict[str, Any]) -> bytes:
    params.pop("api_type", None)
    if type(params.get("input")) is tuple:
        params["input"] = list(params["input"])
    return _request.body(params)


def _answer(cls: Any, text: str, meta: Meta) -> Any:
    fields, _ = _scan(text, 0)
    response = cls._wrap(fields)
    # Made only if somebody looks.
    response._hidden = meta.hidden
    return response


def _chat_response(answer: Any, meta: Meta, *, routed: bool = False) -> ModelResponse | CustomStreamWrapper:
    if type(answer) is str:
        return _answer(ModelResponse, answer, meta)
    return CustomStreamWrapper(answer, meta, routed=routed)


def _text_response(answer: Any, meta: Meta) -> TextCompletionResponse | TextCompletionStreamWrapper:
    if type(answer) is str:
        return _answer(TextCompletionResponse, answer, meta)
    return TextCompletionStreamWrapper(answer, meta)


def _joined(answers: list[Any]) -> TextCompletionResponse:
    fields, hidden = _several.joined(answers)
    response: TextCompletionResponse = TextCompletionResponse._wrap(fields)
    response._hidden = hidden
    return response


def _assembled(response: Any) -> Any:
    if not isinstance(response, CustomStreamWrapper):
        return response
    for _ in response:
        pass
    return stream_chunk_builder(response.chunks)


def _mocked(params: dict[str, Any]) -> Any:
    """Canned answers that are Python objects; the others are made below."""
    mock = params.get("mock_response")
    if mock is None or type(mock) in (str, dict):
        return None
    if isinstance(mock, BaseException):
        _join_openai()
        if hasattr(mock, "llm_provider") or type(mock).__module__.startswith("openai"):
            raise mock
        status = getattr(mock, "status_code", 500)
        raise MockException(status, str(mock), params.get("custom_llm_provider"), params["model"])
    if isinstance(mock, ModelResponse) and not params.get("stream"):
        return mock
    params["mock_response"] = mock.model_dump() if hasattr(mock, "model_dump") else mock
    return None


__all__ = [
    "CustomStreamWrapper",
    "EmbeddingResponse",
    "ModelResponse",
    "TextCompletionResponse",
    "acompletion",
    "aembedding",
    "atext_completion",
    "batch_completion",
    "completion",
    "embedding",
    "stream_chunk_builder",
    "text_completion",
]
