"""Calls over several deployments: load balancing, retries, cooldowns, fallbacks."""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import logging
import sys

from . import _request, main
from ._deployments import Deployments, entry
from ._native import Router as Native
from .exceptions import BadRequestError, RouterRateLimitError, RouterRateLimitErrorBasic
from .types.router import (
    AllowedFailsPolicy,
    CustomRoutingStrategyBase,
    Deployment,
    LiteLLM_Params,
    ModelGroupInfo,
    ModelInfo,
    RetryPolicy,
    RouterConfig,
    RouterGeneralSettings,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._native import Call, Meta
    from ._stream import CustomStreamWrapper, TextCompletionStreamWrapper
    from .types.chat import ModelResponse
    from .types.other import EmbeddingResponse, TextCompletionResponse

_log = logging.getLogger("LiteLLM Router")

#: What programs may read of a router that was told nothing.
_DEFAULTS: dict[str, Any] = {
    "num_retries": 2,
    "max_fallbacks": 5,
    "timeout": None,
    "stream_timeout": None,
    "default_litellm_params": {},
    "default_max_parallel_requests": None,
    "default_priority": None,
    "fallbacks": [],
    "default_fallbacks": None,
    "context_window_fallbacks": [],
    "content_policy_fallbacks": [],
    "model_group_alias": {},
    "enable_pre_call_checks": False,
    "enable_tag_filtering": False,
    "retry_after": 0,
    "retry_policy": None,
    "model_group_retry_policy": {},
    "allowed_fails": None,
    "allowed_fails_policy": None,
    "cooldown_time": None,
    "disable_cooldowns": None,
    "routing_strategy": "simple-shuffle",
    "routing_strategy_args": {},
    "optional_pre_call_checks": None,
    "enable_weighted_failover": False,
    "background_health_checks": False,
    "health_check_interval": 300,
}

#: The module's setting stands in for these where the router's is not given.
_OF_MODULE = (
    "num_retries",
    "max_fallbacks",
    "fallbacks",
    "default_fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "allowed_fails",
)

#: Arguments of LiteLLM's that are no settings of the router here. Using one is said when the router is made.
_ELSEWHERE = frozenset(
    {
        "auto_router_capability_limit",
        "fallback_access_check",
        "fallback_budget_check",
        "router_general_settings",
    }
)

#: What a call is asked with, besides messages, and the operation that it is then.
_ASKED_WITH = (("input", "embedding"), ("prompt", "text_completion"))

#: Operations of the module that are methods of the router, too, besides those that are written out below.
_OPERATIONS = frozenset(
    name
    for operation in (
        "responses",
        "anthropic_messages",
        "generate_content",
        "generate_content_stream",
        "image_generation",
        "image_edit",
        "image_variation",
        "transcription",
        "translation",
        "speech",
        "rerank",
        "moderation",
        "ocr",
        "search",
        "cancel_batch",
        "cancel_fine_tuning_job",
        "cancel_responses",
        "compact_responses",
        "create_batch",
        "create_file",
        "create_fine_tuning_job",
        "delete_responses",
        "file_content",
        "file_delete",
        "file_list",
        "file_retrieve",
        "get_responses",
        "list_batches",
        "list_fine_tuning_events",
        "list_fine_tuning_jobs",
        "list_input_items",
        "retrieve_batch",
        "retrieve_fine_tuning_job",
        "video_content",
        "video_delete",
        "video_generation",
        "video_list",
        "video_remix",
        "video_status",
    )
    for name in (operation, f"a{operation}")
)


class Router(Deployments):
    """Calls over the deployments of a `model_list`: takes LiteLLM's arguments, all of them by keyword.

    >>> router = Router(model_list=[{"model_name": "any", "litellm_params": {"model": "demo/demo"}}])
    >>> router.completion("any", messages=[{"role": "user", "content": "Hello"}]).choices[0].finish_reason
    'stop'
    """

    def __init__(self, model_list: Iterable[Any] | None = None, **settings: Any) -> None:
        given = {name: value for name, value in settings.items() if value is not None}
        unknown = given.keys() - _names() - _ELSEWHERE - {"ignore_invalid_deployments"}
        if unknown:
            raise TypeError(f"Router() got an unexpected keyword argument '{min(unknown)}'")
        for name in sorted(given.keys() & _ELSEWHERE):
            if given.pop(name):
                _log.warning("'%s' has no effect here", name)
        self.__dict__["_strategy"] = None
        entries = None if model_list is None else list(model_list)
        if entries == [] and not given.get("search_tools"):
            message = "model_list: it is empty. Leave it out to add deployments later"
            raise BadRequestError(message, model=None, llm_provider=None)
        super().__init__(entries or (), {**_module(), **given})
        self._remark()

    # Settings are attributes.

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("_settings", {})
        if name in settings:
            return settings[name]
        if name in _DEFAULTS:
            return copy.copy(_DEFAULTS[name])
        function = getattr(sys.modules["interlingua"], name, None) if name in _OPERATIONS else None
        if function is None:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return functools.partial(self._acall if asyncio.iscoroutinefunction(function) else self._call, function)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _names():
            self.update_settings(**{name: value})
        elif name == "model_list":
            self.set_model_list(value)
        else:
            super().__setattr__(name, value)

    def get_settings(self) -> dict[str, Any]:
        """The settings as they are."""
        return {**_DEFAULTS, **self._settings}

    def update_settings(self, **settings: Any) -> None:
        """Changes settings while calls are under way: those keep theirs. None stands for what is usual."""
        if settings.get("max_retries") is not None:
            settings.setdefault("num_retries", settings.pop("max_retries"))
        for name in sorted(settings.keys() - _names()):
            _log.warning("update_settings: there is no setting '%s'", name)
            del settings[name]
        with self._lock:
            changed = {**self._settings, **settings}
            self._configure({name: value for name, value in changed.items() if value is not None})
        self._remark()

    def _remark(self) -> None:
        for remark in self._native.remarks():
            _log.warning("%s", remark)

    def set_custom_routing_strategy(self, CustomRoutingStrategy: CustomRoutingStrategyBase) -> None:
        """Picks deployments by a strategy of one's own. After a failure the router goes on by itself."""
        self.__dict__["_strategy"] = CustomRoutingStrategy

    def flush_cache(self) -> None:
        """Forgets counts, rests and latencies."""
        self._native.reset()

    def reset(self) -> None:
        """Forgets counts, rests, latencies, and the retry policy."""
        self.update_settings(retry_policy=None)
        self.flush_cache()

    def discard(self) -> None:
        """Lets go of the deployments."""
        self.set_model_list(())

    # Calls

    def completion(self, model: str, messages: list[Any], **kwargs: Any) -> ModelResponse | CustomStreamWrapper:
        """Answers a conversation. With `stream=True` the answer comes in pieces."""
        return self._call(main.completion, model=model, messages=messages, **kwargs)

    async def acompletion(
        self, model: str, messages: list[Any], stream: bool = False, **kwargs: Any
    ) -> ModelResponse | CustomStreamWrapper:
        """Answers a conversation. With `stream=True` the answer comes in pieces: `async for` reads them."""
        return await self._acall(main.acompletion, model=model, messages=messages, stream=stream or None, **kwargs)

    def text_completion(
        self, model: str, prompt: Any, **kwargs: Any
    ) -> TextCompletionResponse | TextCompletionStreamWrapper:
        """Continues a text."""
        return self._call(main.text_completion, model=model, prompt=prompt, **kwargs)

    async def atext_completion(
        self, model: str, prompt: Any, **kwargs: Any
    ) -> TextCompletionResponse | TextCompletionStreamWrapper:
        """Continues a text."""
        return await self._acall(main.atext_completion, model=model, prompt=prompt, **kwargs)

    def embedding(self, model: str, input: Any, **kwargs: Any) -> EmbeddingResponse:
        """Makes vectors of texts or images."""
        return self._call(main.embedding, model=model, input=input, **{"timeout": None, **kwargs})

    async def aembedding(self, model: str, input: Any, **kwargs: Any) -> EmbeddingResponse:
        """Makes vectors of texts or images."""
        return await self._acall(main.aembedding, model=model, input=input, **{"timeout": None, **kwargs})

    async def schedule_acompletion(
        self, model: str, messages: list[Any], priority: int, stream: bool = False, **kwargs: Any
    ) -> ModelResponse | CustomStreamWrapper:
        """Answers a conversation; lower priorities go first where there is a queue."""
        return await self.acompletion(model, messages, stream=stream, priority=priority, **kwargs)

    # Several calls at once

    async def abatch_completion(self, models: list[str], messages: list[Any], **kwargs: Any) -> list[Any]:
        """One conversation to many models: a list of answers; or many conversations: such a list for each of them.

        Exceptions are in the places of the answers that they took.
        """
        if not messages or not isinstance(messages[0], list):
            return await self._gather((model, messages) for model in models)
        answers = await self._gather(((model, one) for one in messages for model in models), **kwargs)
        return [answers[i : i + len(models)] for i in range(0, len(answers), len(models))] if models else []

    async def abatch_completion_one_model_multiple_requests(
        self, model: str, messages: list[list[Any]], **kwargs: Any
    ) -> list[Any]:
        """Many conversations to one model: a list of answers, exceptions in their places."""
        return await self._gather(((model, one) for one in messages), **kwargs)

    async def abatch_completion_fastest_response(
        self, model: str, messages: list[Any], stream: bool = False, **kwargs: Any
    ) -> ModelResponse | CustomStreamWrapper:
        """One conversation to several models (`"a, b"`): the first answer. The other calls are hung up on."""
        names = [name.strip() for name in model.split(",")]
        pending: set[asyncio.Task[Any]] = {
            asyncio.create_task(self.acompletion(name, messages, stream=stream, **kwargs)) for name in names if name
        }
        try:
            return await _first(pending)
        finally:
            for task in pending:
                task.cancel()

    async def _gather(self, asked: Iterable[tuple[str, Any]], **kwargs: Any) -> list[Any]:
        calls = [self.acompletion(model, messages, **kwargs) for model, messages in asked]
        return await asyncio.gather(*calls, return_exceptions=True)

    # Explaining

    def explain(self, model: str, messages: list[Any] | None = None, **kwargs: Any) -> dict[str, Any]:
        """What would be done with a call now, and what it may cost: nothing is sent, counted or held.

        Takes a call's arguments; `input` stands for an embedding, `prompt` for a text completion. The answer names the
        group, its deployments as they are, who would be left out and why, each other one's score, who would be picked,
        and the groups that would follow.
        """
        asked = {"model": model, **kwargs}
        if messages is not None:
            asked["messages"] = messages
        params = _request.with_manners(asked)
        op = next((op for key, op in _ASKED_WITH if key in params), "completion")
        write = _request.chat_body if "messages" in params else _request.body
        return json.loads(self._router().explain(op, write(params)))

    # Health

    def health_check(self, model: str | None = None) -> dict[str, Any]:
        """Asks the deployments for a word, or those of one name or id: who answers, who does not, and why.

        With `enable_health_check_routing` calls go around who was found ill, unless all are. Who is well rests no longer.
        """
        return json.loads(self._router().check(model))

    async def ahealth_check(self, model: str | None = None) -> dict[str, Any]:
        """Asks the deployments for a word, or those of one name or id: who answers, who does not, and why."""
        return await asyncio.to_thread(self.health_check, model)

    # Picking

    def get_available_deployment(
        self,
        model: str,
        messages: list[Any] | None = None,
        input: Any = None,
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The deployment that a call goes to now; asking counts as a request."""
        picked = self._picked({"model": model, "messages": messages, "input": input, **(request_kwargs or {})})
        return picked if picked is not None else self._would_pick(model)

    async def async_get_available_deployment(
        self,
        model: str,
        request_kwargs: dict[str, Any] | None = None,
        messages: list[Any] | None = None,
        input: Any = None,
        specific_deployment: bool | None = False,
    ) -> dict[str, Any]:
        """The deployment that a call goes to now; asking counts as a request."""
        picked = await self._apicked({"model": model, "messages": messages, "input": input, **(request_kwargs or {})})
        return picked if picked is not None else self._would_pick(model)

    def _would_pick(self, model: str) -> dict[str, Any]:
        id = self._router().pick(model)
        return next(entry for entry in self._entries if entry["model_info"]["id"] == id)

    # How a call is made

    def _call(self, function: Callable[..., Any], **kwargs: Any) -> Any:
        return function(**self._prepared(kwargs, self._picked(kwargs)))

    async def _acall(self, function: Callable[..., Any], **kwargs: Any) -> Any:
        return await function(**self._prepared(kwargs, await self._apicked(kwargs)))

    def _prepared(self, kwargs: dict[str, Any], picked: dict[str, Any] | None) -> dict[str, Any]:
        router = self._router()
        kwargs["_via"] = router if picked is None else _Preferring(router, picked["model_info"]["id"])
        return kwargs

    def _picked(self, kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """What the strategy of one's own picks, where there is one."""
        if self._strategy is None or "model" not in kwargs:
            return None
        return self._strategy.get_available_deployment(**_seen(kwargs))

    async def _apicked(self, kwargs: dict[str, Any]) -> dict[str, Any] | None:
        if self._strategy is None or "model" not in kwargs:
            return None
        return await self._strategy.async_get_available_deployment(**_seen(kwargs))


class _Preferring:
    """A native router whose first attempt goes to one deployment."""

    __slots__ = ("_id", "_router")

    def __init__(self, router: Native, id: str) -> None:
        self._router = router
        self._id = id

    def call(self, op: str, body: bytes, **more: Any) -> tuple[Any, Meta]:
        return self._router.call(op, body, self._id, **more)

    def start(self, op: str, body: bytes, **more: Any) -> Call:
        return self._router.start(op, body, self._id, **more)


#: The routers of calls that bring a model list along: what one call learns, the next one knows.
_MOST_LISTS = 16


def over(model_list: list[Any]) -> Native:
    """The native router of one call's own model list: each deployment is tried before the call fails."""
    return _listed(_request.encode([entry(given) for given in model_list]))._router()


@functools.lru_cache(_MOST_LISTS)
def _listed(model_list: str) -> Router:
    return Router(model_list=json.loads(model_list), num_retries=0, enable_weighted_failover=True)


@functools.cache
def _names() -> frozenset[str]:
    """The names of all settings."""
    return frozenset(Native.settings())


def _module() -> dict[str, Any]:
    """What the module is set to, where a router is given nothing."""
    module = _request.settings()
    given = {name: module[name] for name in _OF_MODULE if module.get(name)}
    if module["request_timeout"] != 6000:
        given["timeout"] = module["request_timeout"]
    return given


def _seen(kwargs: dict[str, Any]) -> dict[str, Any]:
    """What a strategy sees of a call."""
    return {
        "model": kwargs["model"],
        "messages": kwargs.get("messages"),
        "input": kwargs.get("input"),
        "specific_deployment": False,
        "request_kwargs": kwargs,
    }


async def _first(pending: set[asyncio.Task[Any]]) -> Any:
    """The first answer; the last failure where there is none. Takes what is over out of `pending`."""
    failure: BaseException = ValueError("no model was named")
    while pending:
        done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        pending -= done
        for task in done:
            error = task.exception()
            if error is None:
                return task.result()
            failure = error
    raise failure


__all__ = [
    "AllowedFailsPolicy",
    "CustomRoutingStrategyBase",
    "Deployment",
    "LiteLLM_Params",
    "ModelGroupInfo",
    "ModelInfo",
    "RetryPolicy",
    "Router",
    "RouterConfig",
    "RouterGeneralSettings",
    "RouterRateLimitError",
    "RouterRateLimitErrorBasic",
]
