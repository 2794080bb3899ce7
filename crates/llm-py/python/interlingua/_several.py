"""Text completions of several prompts, where they are answered one by one."""

from __future__ import annotations

import json

from . import _native
from ._native import Client
from .exceptions import BadRequestError, UnsupportedParamsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    from ._native import Meta

_client = Client()

#: Requests of one call that are under way at the same time.
_AT_ONCE = 100


def each(op: str, bodies: list[bytes]) -> list[tuple[str, Meta]]:
    """The answers to all of these, in their order."""
    answers: list[tuple[str, Meta]] = []
    waiting: list[Any] = []
    left = list(reversed(bodies))
    try:
        while left or waiting:
            while left and len(waiting) < _AT_ONCE:
                waiting.append(_client.start(op, left.pop()))
            answers.append(waiting[0].wait())
            del waiting[0]
    finally:
        for call in waiting:
            call.cancel()
    return answers


async def aeach(op: str, bodies: list[bytes]) -> list[tuple[str, Meta]]:
    """The same in a loop."""
    import asyncio

    answers: list[tuple[str, Meta]] = []
    for start in range(0, len(bodies), _AT_ONCE):
        tasks = _tasks(op, bodies[start : start + _AT_ONCE])
        try:
            answers += await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
    return answers


def _tasks(op: str, bodies: list[bytes]) -> list[asyncio.Task[Any]]:
    import asyncio

    from ._bridge import bridge

    here = bridge()
    return [asyncio.ensure_future(here.result(_client.start(op, body))) for body in bodies]


def prompts(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The requests that a text completion takes: one, where the provider takes text completions itself; else one for
    each prompt, tokens as their text."""
    prompt = params.get("prompt")
    routed = "_via" in params or "model_list" in params
    if not isinstance(prompt, (list, tuple)) or not prompt or routed or "mock_response" in params:
        return [params]
    base = params.get("base_url") or params.get("api_base")
    try:
        native = _native.speaks("text_completion", params["model"], params.get("custom_llm_provider"), base)
    except BadRequestError:
        # An alias, or a name that nobody knows: who answers is found out further down.
        native = True
    if native:
        return [params]
    texts = _texts(list(prompt), params["model"])
    if texts is None:
        # Refused by name, further down.
        return [params]
    if len(texts) > 1 and params.get("stream"):
        raise UnsupportedParamsError(
            "'prompt': several prompts cannot be streamed at a provider that answers one at a time",
            model=params["model"],
            param="prompt",
        )
    return [{**params, "prompt": text} for text in texts]


def _texts(given: list[Any], model: str) -> list[str] | None:
    """The prompts as texts; None where their tokens cannot be told from their numbers."""
    if all(isinstance(item, str) for item in given):
        return given
    lists = [given] if all(isinstance(item, int) for item in given) else given
    numbers = all(isinstance(item, (list, tuple)) and all(isinstance(n, int) for n in item) for item in lists)
    if not numbers or not _native.knows_vocabulary(model):
        return None
    return [_native.decode(model, list(item)) for item in lists]


def joined(answers: list[tuple[str, Meta]]) -> tuple[dict[str, Any], Callable[[], dict[str, Any]]]:
    """Several text completions as one: its fields, and what is hidden."""
    parts = [json.loads(text) for text, _ in answers]
    whole: dict[str, Any] = parts[0]
    choices: list[Any] = []
    for part in parts:
        for choice in part["choices"]:
            choice["index"] = len(choices)
            choices.append(choice)
    usages = [part["usage"] for part in parts if part.get("usage")]
    whole["choices"] = choices
    if usages:
        whole["usage"] = _summed(usages)

    def hidden() -> dict[str, Any]:
        all_hidden = [meta.hidden() for _, meta in answers]
        costs = [one["response_cost"] for one in all_hidden]
        all_hidden[0]["response_cost"] = None if None in costs else sum(costs)
        return all_hidden[0]

    return whole, hidden


def _summed(counts: list[Any]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for count in counts:
        for name, value in count.items():
            if isinstance(value, dict):
                total[name] = _summed([total.get(name) or {}, value])
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                total[name] = (total.get(name) or 0) + value
            else:
                total.setdefault(name, value)
    return total
