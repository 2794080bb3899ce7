"""From Python arguments to the bytes that the native half takes."""

from __future__ import annotations

import json
import sys

from .exceptions import BadRequestError
from .types.base import Model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Arguments that have a meaning only in this process, or only in LiteLLM's own insides.
LOCAL = (
    "client",
    "shared_session",
    "logger_fn",
    "litellm_logging_obj",
    "litellm_parent_otel_span",
    "acompletion",
    "aembedding",
    "atext_completion",
    "azure_ad_token_provider",
)

#: The module's own keys of providers, under the names that LiteLLM gives them.
_PROVIDER_KEYS = {
    "openai_key": ("openai", "text-completion-openai", "custom_openai"),
    "anthropic_key": ("anthropic", "anthropic_text"),
    "azure_key": ("azure", "azure_text", "azure_ai"),
    "cohere_key": ("cohere", "cohere_chat"),
    "replicate_key": ("replicate",),
    "openrouter_key": ("openrouter",),
    "groq_key": ("groq",),
    "xai_key": ("xai",),
    "databricks_key": ("databricks",),
    "huggingface_key": ("huggingface",),
    "togetherai_api_key": ("together_ai",),
    "cloudflare_api_key": ("cloudflare",),
    "deepseek_key": ("deepseek",),
    "ai21_key": ("ai21", "ai21_chat"),
    "nlp_cloud_key": ("nlp_cloud",),
    "aleph_alpha_key": ("aleph_alpha",),
    "baseten_key": ("baseten",),
    "maritalk_key": ("maritalk",),
    "gemini_key": ("gemini",),
    "clarifai_key": ("clarifai",),
    "predibase_key": ("predibase",),
}

#: What else the module may say about where calls go.
_PLACES = ("api_version", "organization", "vertex_project", "vertex_location")


def settings() -> dict[str, Any]:
    """The settings of the module, as they are now."""
    return sys.modules["interlingua"].__dict__


def plain(value: Any) -> Any:
    """What JSON does not know, as something that it does."""
    if isinstance(value, Model):
        return {name: item for name, item in value._dump().items() if item is not None}
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump(exclude_none=True, mode="json")
    if isinstance(value, type) or hasattr(value, "__get_pydantic_core_schema__"):
        return response_format(value)
    for kind in (dict, list, str, int, float):
        convert = getattr(value, f"to_{kind.__name__}", None)
        if convert is not None:
            return convert()
    if isinstance(value, (set, frozenset, tuple)) or hasattr(value, "__next__"):
        return list(value)
    if hasattr(value, "keys"):
        return {key: value[key] for key in value.keys()}
    if hasattr(value, "item"):  # A number of numpy's.
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    raise TypeError(f"{type(value).__name__} cannot be sent")


encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain).encode


def body(params: dict[str, Any]) -> bytes:
    """JSON text of the arguments; what is None is absent."""
    for name in LOCAL:
        params.pop(name, None)
    timeout = params.get("timeout")
    if timeout is not None and not isinstance(timeout, (int, float)):
        params["timeout"] = seconds(timeout)
    try:
        return encode(params).encode()
    except (TypeError, ValueError) as error:
        raise BadRequestError(f"the request cannot be written as JSON: {error}", model=params.get("model")) from error


def chat_body(params: dict[str, Any]) -> bytes:
    """The same for a chat request, with LiteLLM's manners towards what people pass."""
    params["messages"] = messages(params["messages"])
    if "tools" in params:
        tools = [tool if type(tool) is dict else plain(tool) for tool in params["tools"]]
        if tools:
            params["tools"] = tools
        else:
            # Vendors refuse an empty list.
            del params["tools"]
            params.pop("tool_choice", None)
    if "tool_choice" in params:
        params["tool_choice"] = tool_choice(params["tool_choice"], params.get("model"))
    thinking = params.get("thinking")
    if thinking is not None and type(thinking) is not dict:
        if thinking:
            params["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        else:
            del params["thinking"]
    elif thinking and "budgetTokens" in thinking:
        thinking = dict(thinking)
        thinking["budget_tokens"] = thinking.pop("budgetTokens")
        params["thinking"] = thinking
    wanted = params.get("response_format")
    if wanted is not None and type(wanted) is not dict:
        params["response_format"] = response_format(wanted)
    return body(params)


def with_settings(params: dict[str, Any]) -> dict[str, Any]:
    """Adds what the module is set to, where the call is silent."""
    module = settings()
    if "client" in params:
        clients_own(params, params.pop("client"))
    if params.pop("shared_session", None) is not None:
        warn_once("shared_session", "has no effect: connections are made and shared by the library itself")
    alias = module["model_alias_map"]
    if alias and params.get("model") in alias:
        params["model"] = alias[params["model"]]
    with_manners(params)
    if module["num_retries"] is not None and "num_retries" not in params:
        params["num_retries"] = module["num_retries"]
    if "timeout" not in params and "request_timeout" not in params and module["request_timeout"] != 6000:
        params["timeout"] = module["request_timeout"]
    return with_place(params)


def with_manners(params: dict[str, Any]) -> dict[str, Any]:
    """Adds how the module treats parameters: also for calls that find their way by themselves."""
    module = settings()
    for name in ("drop_params", "modify_params"):
        if module[name] and name not in params:
            params[name] = True
    if module["headers"]:
        params["headers"] = {**module["headers"], **params.get("headers", {})}
    policy = params.get("retry_policy")
    if policy is not None and not isinstance(policy, dict):
        policy = plain(policy) if hasattr(policy, "model_dump") else vars(policy)
        params["retry_policy"] = {name: retries for name, retries in policy.items() if retries is not None}
    return params


def with_place(params: dict[str, Any]) -> dict[str, Any]:
    """Adds the module's addresses and keys."""
    module = settings()
    if module["api_base"] and "api_base" not in params and "base_url" not in params:
        params["api_base"] = module["api_base"]
    for name in _PLACES:
        if module[name] and name not in params:
            params[name] = module[name]
    if "api_key" not in params:
        if module["api_key"]:
            params["api_key"] = module["api_key"]
        else:
            provider_key(params, module)
    token_provider = params.pop("azure_ad_token_provider", None)
    if token_provider is not None and "azure_ad_token" not in params:
        params["azure_ad_token"] = token_provider()
    return params


def clients_own(params: dict[str, Any], client: Any) -> None:
    """Takes the key, the address and the headers of a client of the `openai` package, or of one that looks like it."""
    base = getattr(client, "base_url", None)
    key = getattr(client, "api_key", None)
    if not isinstance(key, str) or base is None:
        warn_once("client", "has no effect unless it has an api_key and a base_url: connections are made by the library")
        return
    base = str(base).rstrip("/")
    version = getattr(client, "_api_version", None)
    if version:  # Azure's own address is a part of this one.
        params["api_version"] = version
        base = base.partition("/openai")[0]
    params.pop("base_url", None)
    params["api_base"] = base
    if key:
        params["api_key"] = key
    for name in ("organization", "project"):
        value = getattr(client, name, None)
        if value and name not in params:
            params[name] = value
    headers = {name: value for name, value in (getattr(client, "_custom_headers", None) or {}).items() if isinstance(value, str)}
    if headers:
        params["extra_headers"] = {**headers, **params.get("extra_headers", {})}


_warned: set[str] = set()


def warn_once(name: str, message: str) -> None:
    """Says once in a process what an argument cannot do here."""
    if name not in _warned:
        _warned.add(name)
        import warnings

        warnings.warn(f"interlingua: '{name}' {message}", stacklevel=5)


def places() -> tuple[Any, ...]:
    """All that `with_place` reads from the module, to see whether it has changed."""
    module = settings()
    return tuple(module.get(name) for name in ("api_base", "api_key", *_PLACES, *_PROVIDER_KEYS))


def provider_key(params: dict[str, Any], module: dict[str, Any]) -> None:
    """The module's key for the provider of the call, where it has one."""
    keys = [name for name in _PROVIDER_KEYS if module.get(name)]
    if not keys:
        return
    from ._native import provider

    # What is kept belongs to an account, whatever the model.
    _, name = provider(params.get("model", "any"), params.get("custom_llm_provider"), params.get("api_base"))
    for key in keys:
        if name in _PROVIDER_KEYS[key]:
            params["api_key"] = module[key]


def messages(given: Any) -> list[Any]:
    """Messages as dicts without nulls: those of earlier answers come back with many. The caller's own stay as they are."""
    return [message(item) for item in given]


def message(given: Any) -> Any:
    """One message as a dict without nulls."""
    if type(given) is not dict:
        given = plain(given)
    if type(given) is not dict:
        return given
    for value in given.values():
        if value is None:
            given = {key: value for key, value in given.items() if value is not None}
            break
    if "role" not in given:
        given = {"role": "assistant", **given}
    if "tool_calls" in given:
        given = {**given, "tool_calls": [tool_call(call) for call in given["tool_calls"]]}
    return given


def tool_call(given: Any) -> Any:
    """A call of a tool, its arguments as JSON text."""
    call = given if type(given) is dict else plain(given)
    function = call.get("function")
    if function is not None and type(function) is not dict:
        function = plain(function)
        call = {**call, "function": function}
    if function is not None and type(function.get("arguments")) is dict:
        function = {**function, "arguments": json.dumps(function["arguments"])}
        call = {**call, "function": function}
    return call


def tool_choice(given: Any, model: str | None) -> Any:
    """A choice of tools: a mode, or one tool."""
    if isinstance(given, str):
        return given
    if not isinstance(given, dict):
        given = plain(given)
    if isinstance(given, dict):
        kind = given.get("type")
        if kind in ("auto", "none", "required") and "function" not in given:
            return kind
        if kind and ("function" in given or kind not in ("function", None)):
            return given
    raise BadRequestError(f"tool_choice {given!r} is neither a mode nor a tool", model=model, param="tool_choice")


def response_format(wanted: Any) -> Any:
    """A pydantic class as a strict JSON schema."""
    schema = getattr(wanted, "model_json_schema", None)
    if schema is None:
        if isinstance(wanted, type):
            from pydantic import TypeAdapter

            schema = TypeAdapter(wanted).json_schema
        else:
            return plain(wanted)
    name = getattr(wanted, "__name__", "response")
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "schema": strict(schema()), "strict": True},
    }


def strict(schema: Any) -> Any:
    """A schema as OpenAI's strict mode wants it: no keys but those named, all of them required."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    new = {key: strict(value) for key, value in schema.items() if not (key == "default" and value is None)}
    if new.get("type") == "object":
        new.setdefault("additionalProperties", False)
        if "properties" in schema:
            new["properties"] = {key: strict(value) for key, value in schema["properties"].items()}
            new["required"] = list(schema["properties"])
    return new


def seconds(timeout: Any) -> float:
    """A time limit that came as text or as httpx's object."""
    if isinstance(timeout, str):
        return float(timeout)
    parts = [getattr(timeout, name, None) for name in ("read", "connect", "write", "pool")]
    given = [part for part in parts if part is not None]
    return float(given[0]) if given else 600.0
