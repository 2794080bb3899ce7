"""What is known of models: who serves them, what they can do, how they count, what they cost."""

from __future__ import annotations

import json

from . import _native, _request
from .exceptions import BadRequestError, ModelNotMappedError
from .types.base import Model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def get_llm_provider(
    model: str,
    custom_llm_provider: str | None = None,
    api_base: str | None = None,
    api_key: str | None = None,
    litellm_params: Any = None,
) -> tuple[str, str, str | None, str | None]:
    """`(model, provider, api_key, api_base)` of what a user writes."""
    if litellm_params is not None and not (custom_llm_provider or api_base or api_key):
        params = litellm_params if isinstance(litellm_params, dict) else vars(litellm_params)
        custom_llm_provider = params.get("custom_llm_provider")
        api_base, api_key = params.get("api_base"), params.get("api_key")
    if model is None:
        raise BadRequestError("'model' is missing", param="model")
    name, provider = _native.provider(model, custom_llm_provider, api_base)
    key, base = _native.connection(model, custom_llm_provider, api_base, api_key)
    return name, provider, key, base


def get_supported_openai_params(
    model: str,
    custom_llm_provider: str | None = None,
    request_type: str = "chat_completion",
    base_model: str | None = None,
) -> list[str] | None:
    """The OpenAI parameters that a model takes; None for an unknown provider."""
    try:
        name, provider = _native.provider(model, custom_llm_provider)
    except BadRequestError:
        return None
    op = "embedding" if request_type == "embeddings" else "completion"
    return _native.supported_params(provider, base_model or name, op)


def get_model_info(
    model: str,
    custom_llm_provider: str | None = None,
    api_base: str | None = None,
    api_key: str | None = None,
) -> dict[str, Any]:
    """All that the price table says of a model. Raises if it says nothing."""
    name, provider = _split(model, custom_llm_provider)
    text = _native.model_info(provider, name)
    if text is None:
        raise _unmapped(model, custom_llm_provider)
    info: dict[str, Any] = json.loads(text)
    info["supported_openai_params"] = get_supported_openai_params(model, custom_llm_provider)
    return info


def get_max_tokens(model: str) -> int | None:
    """The longest answer of a model, in tokens. Raises if the model is not known."""
    name, provider = _split(model, None)
    text = _native.model_info(provider, name)
    if text is None:
        raise _unmapped(model, None)
    info = json.loads(text)
    return info.get("max_output_tokens") or info.get("max_tokens")


def _supports(what: str) -> Any:
    def supports(model: str, custom_llm_provider: str | None = None) -> bool:
        name, provider = _split(model, custom_llm_provider)
        return _native.supports(provider, name, what)

    supports.__name__ = supports.__qualname__ = f"supports_{what}"
    supports.__doc__ = f"Whether a model is known for {what.replace('_', ' ')}."
    return supports


supports_function_calling = _supports("function_calling")
supports_vision = _supports("vision")
supports_response_schema = _supports("response_schema")
supports_parallel_function_calling = _supports("parallel_function_calling")
supports_audio_input = _supports("audio_input")
supports_audio_output = _supports("audio_output")
supports_reasoning = _supports("reasoning")
supports_web_search = _supports("web_search")
supports_url_context = _supports("url_context")
supports_system_messages = _supports("system_messages")
supports_prompt_caching = _supports("prompt_caching")
supports_pdf_input = _supports("pdf_input")
supports_computer_use = _supports("computer_use")
supports_embedding_image_input = _supports("embedding_image_input")
supports_tool_choice = _supports("tool_choice")
supports_video_input = _supports("video_input")
supports_native_streaming = _supports("native_streaming")
supports_native_structured_output = _supports("native_structured_output")
supports_none_reasoning_effort = _supports("none_reasoning_effort")


def validate_environment(
    model: str | None = None,
    api_key: str | None = None,
    api_base: str | None = None,
    api_version: str | None = None,
) -> dict[str, Any]:
    """Which variables a model's provider needs and does not find."""
    if model is None:
        return {"keys_in_environment": False, "missing_keys": []}
    try:
        complete, missing = _native.validate_environment(model, api_key, api_base, api_version)
    except BadRequestError:
        complete, missing = False, []
    return {"keys_in_environment": complete, "missing_keys": missing}


def token_counter(
    model: str = "",
    custom_tokenizer: Any = None,
    text: str | list[str] | None = None,
    messages: Any = None,
    count_response_tokens: bool = False,
    tools: Any = None,
    tool_choice: Any = None,
    use_default_image_token_count: bool = False,
    default_token_count: int | None = None,
) -> int:
    """Counts the tokens of a text or of a conversation, without a network."""
    if text is not None and messages is not None:
        raise ValueError("give either text or messages, not both")
    if custom_tokenizer is not None:
        texts = [text] if isinstance(text, str) else text or list(_texts(messages))
        return sum(len(_custom(custom_tokenizer, part)) for part in texts)
    if text is not None:
        return _native.count_text(model, text if isinstance(text, str) else "".join(text))
    if messages is None:
        raise ValueError("give text or messages")
    asked: dict[str, Any] = {"messages": _request.messages(messages)}
    if tools:
        asked["tools"] = tools
    if tool_choice is not None:
        asked["tool_choice"] = tool_choice
    conversation = _request.encode(asked)
    try:
        return _native.count_messages(
            model, conversation, count_response_tokens, use_default_image_token_count, default_token_count
        )
    except ValueError:
        if default_token_count is not None:
            return default_token_count
        raise


def encode(model: str = "", text: str = "", custom_tokenizer: Any = None) -> list[int]:
    """The token numbers of a text."""
    if custom_tokenizer is not None:
        return list(_custom(custom_tokenizer, text))
    return _native.encode(model, text)


def decode(
    model: str = "",
    tokens: Any = (),
    custom_tokenizer: Any = None,
    skip_special_tokens: bool = True,
) -> str:
    """The text of token numbers."""
    if custom_tokenizer is not None:
        return custom_tokenizer["tokenizer"].decode(list(tokens), skip_special_tokens=skip_special_tokens)
    return _native.decode(model, list(tokens))


def cost_per_token(
    model: str = "",
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    response_time_ms: float | None = 0.0,
    custom_llm_provider: str | None = None,
    region_name: str | None = None,
    prompt_characters: int | None = None,
    completion_characters: int | None = None,
    cache_creation_input_tokens: int | None = 0,
    cache_read_input_tokens: int | None = 0,
    custom_cost_per_token: dict[str, float] | None = None,
    custom_cost_per_second: float | None = None,
    number_of_queries: int | None = None,
    usage_object: Any = None,
    rerank_billed_units: Any = None,
    call_type: str = "completion",
    audio_transcription_file_duration: float = 0.0,
    service_tier: str | None = None,
    data_residency: str | None = None,
    vertex_location: str | None = None,
    **_: Any,
) -> tuple[float, float]:
    """Dollars for the prompt and dollars for the answer."""
    if usage_object is None:
        usage: Any = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        if cache_read_input_tokens or cache_creation_input_tokens:
            usage["prompt_tokens_details"] = {
                "cached_tokens": cache_read_input_tokens or 0,
                "cache_creation_tokens": cache_creation_input_tokens or 0,
            }
    else:
        usage = usage_object
    ask = _ask(usage, custom_cost_per_token, custom_cost_per_second)
    ask["service_tier"] = service_tier
    ask["region"] = region_name
    ask["data_residency"] = data_residency
    ask["vertex_location"] = vertex_location
    ask["prompt_characters"] = prompt_characters
    ask["completion_characters"] = completion_characters
    ask["queries"] = number_of_queries
    ask["elapsed"] = response_time_ms / 1000 if response_time_ms else None
    ask["seconds"] = audio_transcription_file_duration or None
    prompt, completion, _total = _bill([model], custom_llm_provider, ask)
    return prompt, completion


def completion_cost(
    completion_response: Any = None,
    model: str | None = None,
    prompt: str = "",
    messages: Any = (),
    completion: str = "",
    total_time: float | None = 0.0,
    call_type: str | None = None,
    custom_llm_provider: str | None = None,
    region_name: str | None = None,
    size: str | None = None,
    quality: str | None = None,
    n: int | None = None,
    custom_cost_per_token: dict[str, float] | None = None,
    custom_cost_per_second: float | None = None,
    optional_params: dict[str, Any] | None = None,
    custom_pricing: bool | None = None,
    base_model: str | None = None,
    service_tier: str | None = None,
    data_residency: str | None = None,
    vertex_location: str | None = None,
    **_: Any,
) -> float:
    """What an answer cost, in dollars. Raises if the model has no known price."""
    response = completion_response
    hidden: dict[str, Any] = getattr(response, "_hidden_params", None) or {}
    if response is not None:
        usage = response.get("usage") or {}
        answered = response.get("model")
    else:
        usage, answered = None, None
    if usage is None or (not usage and (prompt or messages or completion)):
        name = model or answered or ""
        read = token_counter(model=name, messages=messages) if messages else _native.count_text(name, prompt)
        written = _native.count_text(name, completion) if completion else 0
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    ask = _ask(usage, custom_cost_per_token, custom_cost_per_second)
    ask["service_tier"] = (response.get("service_tier") if response is not None else None) or service_tier
    ask["region"] = region_name or hidden.get("region_name")
    ask["data_residency"] = data_residency
    ask["vertex_location"] = vertex_location
    ask["elapsed"] = total_time / 1000 if total_time else None
    names = [base_model, hidden.get("litellm_model_name"), answered, model]
    provider = custom_llm_provider or hidden.get("custom_llm_provider")
    return _bill([name for name in names if name], provider, ask)[2]


def response_cost_calculator(response_object: Any, model: str | None = None, **options: Any) -> float | None:
    """The same; None where the price is not known."""
    try:
        return completion_cost(completion_response=response_object, model=model, **options)
    except Exception:
        return None


def get_response_cost_from_hidden_params(hidden_params: Any) -> float | None:
    """The cost that came with an answer."""
    if isinstance(hidden_params, Model):
        hidden_params = hidden_params.model_dump()
    return hidden_params.get("response_cost")


class ModelCost(dict):  # type: ignore[type-arg]
    """The price table as LiteLLM shows it. What is assigned here is used for prices from then on."""

    def __setitem__(self, name: str, fields: dict[str, Any]) -> None:
        super().__setitem__(name, fields)
        _native.register_models(json.dumps({name: fields}))

    def update(self, *args: Any, **entries: Any) -> None:
        """Adds entries."""
        for name, fields in dict(*args, **entries).items():
            self[name] = fields


def model_cost() -> ModelCost:
    """The whole price table."""
    table = ModelCost()
    for name in _native.price_names():
        text = _native.price_entry(name)
        if text is not None:
            dict.__setitem__(table, name, json.loads(text))
    return table


def register_model(model_cost: dict[str, dict[str, Any]] | str, persist_across_reloads: bool = True) -> dict[str, Any]:
    """Lays entries over the price table; fields that they do not name stay. Returns what was given."""
    if isinstance(model_cost, str):
        import urllib.request

        if not model_cost.startswith(("https://", "http://")):
            raise ValueError("expected entries, or the address of a JSON file of entries")
        with urllib.request.urlopen(model_cost, timeout=30) as reply:
            model_cost = json.loads(reply.read())
    assert isinstance(model_cost, dict)
    _native.register_models(json.dumps(model_cost))
    shown = _request.settings().get("model_cost")
    if shown is not None:
        for name, fields in model_cost.items():
            dict.__setitem__(shown, name, {**shown.get(name, {}), **fields})
    return model_cost


def _ask(usage: Any, per_token: dict[str, float] | None, per_second: float | None) -> dict[str, Any]:
    if isinstance(usage, Model):
        usage = usage._dump(exclude_none=True)
    elif hasattr(usage, "model_dump"):
        usage = usage.model_dump(exclude_none=True)
    ask: dict[str, Any] = {"usage": {key: value for key, value in usage.items() if value is not None}}
    custom = dict(per_token or {})
    if per_second is not None:
        custom["input_cost_per_second"] = per_second
        custom.setdefault("output_cost_per_second", 0.0)
    if custom:
        ask["custom"] = custom
    module = _request.settings()
    if module["cost_discount_config"]:
        ask["discounts"] = module["cost_discount_config"]
    if module["cost_margin_config"]:
        ask["margins"] = module["cost_margin_config"]
    return ask


def _bill(names: list[str], provider: str | None, ask: dict[str, Any]) -> tuple[float, float, float]:
    text = json.dumps({key: value for key, value in ask.items() if value is not None})
    for name in names:
        bare, of = _split(name, provider)
        bill = _native.cost(of, bare, text)
        if bill is not None:
            return bill
    raise _unmapped(names[-1] if names else "", provider)


def _split(model: str, provider: str | None) -> tuple[str, str]:
    """The name and the provider; any provider where none can be told."""
    try:
        return _native.provider(model, provider)
    except BadRequestError:
        return model, provider or ""


def _unmapped(model: str, provider: str | None) -> ModelNotMappedError:
    return ModelNotMappedError(
        f"This model isn't mapped yet. model={model}, custom_llm_provider={provider}. Register it with register_model()."
    )


def _custom(tokenizer: Any, text: str) -> Any:
    encoded = tokenizer["tokenizer"].encode(text)
    return getattr(encoded, "ids", encoded)


def _texts(messages: Any) -> Any:
    for message in _request.messages(messages):
        content = message.get("content")
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict) and "text" in part:
                yield part["text"]
