"""Puts the pieces of a streamed answer together again."""

from __future__ import annotations

import base64

from .exceptions import APIError
from .types.base import Model
from .types.chat import ModelResponse
from .types.other import TextCompletionResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def stream_chunk_builder(
    chunks: Any, messages: Any = None, start_time: Any = None, end_time: Any = None
) -> ModelResponse | TextCompletionResponse | None:
    """The whole answer of its pieces; None if there are none."""
    chunks = list(chunks)
    if not chunks:
        return None
    pieces = [chunk._dump() if isinstance(chunk, Model) else chunk for chunk in chunks]
    if "usage" not in pieces[-1]:
        counted = getattr(chunks[-1], "_hidden_params", {}).get("usage")
        pieces[-1] = {**pieces[-1], "usage": counted}
    try:
        if any("text" in choice for piece in pieces for choice in piece.get("choices") or ()):
            return _text(pieces)
        return _chat(pieces, messages)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise APIError(500, f"the chunks cannot be put together: {error}") from error


def _chat(pieces: list[dict[str, Any]], messages: Any) -> ModelResponse:
    first = pieces[0]
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    extra: dict[str, Any] = {}
    for piece in pieces:
        usage = piece.get("usage") or usage
        for name, value in piece.items():
            if name not in _OWN and value is not None:
                extra[name] = value
        for choice in piece.get("choices") or ():
            index = choice.get("index") or 0
            whole = choices.setdefault(index, {"index": index, "finish_reason": None, "message": {}})
            whole["finish_reason"] = choice.get("finish_reason") or whole["finish_reason"]
            _add(whole["message"], choice.get("delta") or {})
            if choice.get("logprobs"):
                known = whole.setdefault("logprobs", {"content": []})
                known["content"] += choice["logprobs"].get("content") or []
    for whole in choices.values():
        _finish(whole)
    response = ModelResponse._wrap(
        {
            "id": first.get("id"),
            "created": first.get("created"),
            "model": first.get("model"),
            "object": "chat.completion",
            "system_fingerprint": first.get("system_fingerprint"),
            "choices": [choices[index] for index in sorted(choices)] or [{"message": {}}],
            "usage": usage or _counted(first.get("model"), choices, messages),
            **extra,
        }
    )
    return response


_OWN = {"id", "created", "model", "object", "system_fingerprint", "choices", "usage"}


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Adds one piece to a message."""
    for name, value in delta.items():
        if value is None:
            continue
        if name in ("content", "reasoning_content", "refusal", "reasoning"):
            message[name] = message.get(name, "") + value
        elif name == "role":
            message.setdefault("role", value)
        elif name == "tool_calls":
            for n, call in enumerate(value):
                _add_call(message.setdefault("tool_calls", {}), call, n)
        elif name == "function_call":
            _add_function(message.setdefault("function_call", {"name": None, "arguments": ""}), value)
        elif name == "thinking_blocks":
            _add_thinking(message.setdefault("thinking_blocks", []), value)
        elif name == "audio":
            _add_audio(message.setdefault("audio", {}), value)
        elif name in ("images", "annotations", "reasoning_items"):
            message.setdefault(name, []).extend(value)
        elif name == "provider_specific_fields":
            _add_specific(message.setdefault(name, {}), value)
        else:
            message[name] = value


def _add_call(calls: dict[int, dict[str, Any]], call: dict[str, Any], n: int) -> None:
    index = call.get("index")
    index = n if index is None else index
    whole = calls.setdefault(index, {"id": None, "type": None, "function": {"name": None, "arguments": ""}})
    for name, value in call.items():
        if name == "function":
            _add_function(whole["function"], value or {})
        elif name not in ("index", "id", "type"):
            whole[name] = value if value is not None else whole.get(name)
        elif name != "index" and value:
            whole[name] = whole[name] or value


def _add_function(whole: dict[str, Any], function: dict[str, Any]) -> None:
    whole["name"] = whole.get("name") or function.get("name")
    whole["arguments"] += function.get("arguments") or ""


def _add_thinking(whole: list[dict[str, Any]], blocks: list[dict[str, Any]]) -> None:
    """Texts are joined; a signature ends its block."""
    for block in blocks:
        last = whole[-1] if whole else None
        if (
            block.get("type") == "thinking"
            and last is not None
            and last.get("type") == "thinking"
            and not last.get("signature")
        ):
            last["thinking"] = (last.get("thinking") or "") + (block.get("thinking") or "")
            if block.get("signature"):
                last["signature"] = block["signature"]
        else:
            whole.append(dict(block))


def _add_audio(whole: dict[str, Any], audio: dict[str, Any]) -> None:
    for name, value in audio.items():
        if value is None:
            continue
        if name == "data":
            whole.setdefault("data", b"")
            whole["data"] += base64.b64decode(value)
        elif name == "transcript":
            whole[name] = whole.get(name, "") + value
        else:
            whole[name] = value


def _add_specific(whole: dict[str, Any], fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if name == "citation":
            whole.setdefault("citations", []).append([value])
        elif type(value) is list and type(whole.get(name)) is list:
            whole[name] = whole[name] + value
        else:
            whole[name] = value


def _finish(whole: dict[str, Any]) -> None:
    message = whole["message"]
    message.setdefault("role", "assistant")
    message.setdefault("content", None)
    calls = message.get("tool_calls")
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
        if whole["finish_reason"] == "stop":
            whole["finish_reason"] = "tool_calls"
    audio = message.get("audio")
    if audio and "data" in audio:
        audio["data"] = base64.b64encode(audio["data"]).decode()


def _counted(model: str | None, choices: dict[int, dict[str, Any]], messages: Any) -> dict[str, int]:
    """The usage as it can be counted here, where the vendor did not say it."""
    from ._models import token_counter
    from ._native import count_text

    texts = (choice["message"].get("content") or "" for choice in choices.values())
    written = sum(count_text(model or "", text) for text in texts)
    read = token_counter(model=model or "", messages=messages) if messages else 0
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _text(pieces: list[dict[str, Any]]) -> TextCompletionResponse:
    first = pieces[0]
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for piece in pieces:
        usage = piece.get("usage") or usage
        for choice in piece.get("choices") or ():
            index = choice.get("index") or 0
            whole = choices.setdefault(index, {"finish_reason": None, "index": index, "text": "", "logprobs": None})
            whole["finish_reason"] = choice.get("finish_reason") or whole["finish_reason"]
            whole["text"] += choice.get("text") or ""
    return TextCompletionResponse._wrap(
        {
            "id": first.get("id"),
            "object": "text_completion",
            "created": first.get("created"),
            "model": first.get("model"),
            "choices": [choices[index] for index in sorted(choices)],
            "usage": usage,
        }
    )
