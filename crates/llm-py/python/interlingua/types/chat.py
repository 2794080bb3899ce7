"""Chat answers: whole ones and the pieces of streamed ones."""

from __future__ import annotations

import json
import time

from .._native import new_id
from .base import Child, Model, Wrapped
from .usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Function(Model):
    """A function's name and its arguments as JSON text."""

    _fields = ("arguments", "name")
    _absent = frozenset({"name"})
    name: str | None = None
    arguments: str

    def __init__(self, arguments: Any = None, name: str | None = None, **fields: Any) -> None:
        super().__init__(arguments=arguments, name=name, **fields)

    def _settle(self, index: int = 0) -> None:
        arguments = self.__dict__.get("arguments")
        if type(arguments) is not str:
            self.__dict__["arguments"] = "" if arguments is None else json.dumps(arguments)


FunctionCall = Function


class ChatCompletionMessageToolCall(Model):
    """A call of a tool."""

    _fields = ("function", "id", "type")
    function = Child(Function)
    id: str
    type: str

    def __init__(self, function: Any = None, id: str | None = None, type: str | None = None, **fields: Any) -> None:
        if function is not None:
            fields["function"] = function
        super().__init__(id=id, type=type, **fields)

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        if not fields.get("id"):
            fields["id"] = new_id()
        if not fields.get("type"):
            fields["type"] = "function"

    def _names(self) -> list[str]:
        return [name for name in super()._names() if name in self.__dict__]


class ChatCompletionDeltaToolCall(Model):
    """A fragment of a call of a tool."""

    _fields = ("id", "function", "type", "index")
    _absent = frozenset({"id", "type"})
    id: str | None = None
    type: str | None = None
    function = Child(Function)
    index: int

    def __init__(
        self,
        id: str | None = None,
        function: Any = None,
        type: str | None = None,
        index: int = 0,
        **fields: Any,
    ) -> None:
        super().__init__(id=id, function={} if function is None else function, type=type, index=index, **fields)

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        if fields.get("index") is None:
            fields["index"] = index
        if not fields.get("type"):
            fields["type"] = "function"
        if fields.get("function") is None:
            fields["function"] = {}


_MESSAGE_OPTIONAL = frozenset({"reasoning_content", "thinking_blocks", "reasoning_items", "annotations", "audio", "images"})


class Message(Model):
    """What an assistant says, and which tools it calls."""

    _fields = ("content", "role", "tool_calls", "function_call")
    _absent = frozenset({"content", "tool_calls", "function_call"})
    _optional = _MESSAGE_OPTIONAL
    _unset = ("provider_specific_fields",)
    content: str | None = None
    role: str
    tool_calls = Child(ChatCompletionMessageToolCall, many=True)
    function_call = Child(Function)
    provider_specific_fields: dict[str, Any] | None = None

    def __init__(
        self,
        content: Any = None,
        role: str = "assistant",
        function_call: Any = None,
        tool_calls: Any = None,
        **fields: Any,
    ) -> None:
        super().__init__(content=content, role=role, tool_calls=tool_calls, function_call=function_call, **fields)

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        if not fields.get("role"):
            fields["role"] = "assistant"
        if "tool_calls" in fields and not fields["tool_calls"]:
            fields["tool_calls"] = None
        if "reasoning" in fields and not fields.get("reasoning_content"):
            reasoning = fields.pop("reasoning")
            if type(reasoning) is str:
                fields["reasoning_content"] = reasoning
            elif reasoning is not None:
                fields["reasoning"] = reasoning
        for name in _MESSAGE_OPTIONAL:
            if name in fields and fields[name] is None:
                del fields[name]


class Delta(Model):
    """What is new in a piece of a streamed answer."""

    _fields = ("content", "role", "function_call", "tool_calls", "audio")
    _absent = frozenset({"content", "role", "function_call", "tool_calls", "audio"})
    _optional = _MESSAGE_OPTIONAL - {"audio"}
    _unset = ("provider_specific_fields",)
    content: str | None = None
    role: str | None = None
    function_call = Child(Function)
    tool_calls = Child(ChatCompletionDeltaToolCall, many=True)
    audio: Any = None
    provider_specific_fields: dict[str, Any] | None = None

    def __init__(
        self,
        content: str | None = None,
        role: str | None = None,
        function_call: Any = None,
        tool_calls: Any = None,
        audio: Any = None,
        **fields: Any,
    ) -> None:
        super().__init__(
            content=content,
            role=role,
            function_call=function_call,
            tool_calls=tool_calls,
            audio=audio,
            **fields,
        )

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        if "reasoning" in fields and not fields.get("reasoning_content"):
            reasoning = fields.pop("reasoning")
            if type(reasoning) is str:
                fields["reasoning_content"] = reasoning
            elif reasoning is not None:
                fields["reasoning"] = reasoning
        if len(fields) > 2:
            for name in self._optional:
                if name in fields and fields[name] is None:
                    del fields[name]


class TopLogprob(Model):
    """A token that might have come instead."""


class ChatCompletionTokenLogprob(Model):
    """A token, how probable it was, and what might have come instead."""

    top_logprobs = Child(TopLogprob, many=True)


class ChoiceLogprobs(Model):
    """Probabilities of an answer's tokens."""

    _fields = ("content",)
    _absent = frozenset({"content"})
    content = Child(ChatCompletionTokenLogprob, many=True)


_CHOICE_OPTIONAL = frozenset({"logprobs", "provider_specific_fields", "enhancements"})


class Choices(Model):
    """One of the answers."""

    _fields = ("finish_reason", "index", "message")
    _optional = _CHOICE_OPTIONAL
    finish_reason: str
    index: int
    message = Child(Message)
    logprobs = Child(ChoiceLogprobs)

    def __init__(self, finish_reason: str | None = None, index: int = 0, message: Any = None, **fields: Any) -> None:
        super().__init__(
            finish_reason=finish_reason,
            index=index,
            message=Message() if message is None else message,
            **fields,
        )

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        if fields.get("finish_reason") is None:
            fields["finish_reason"] = "stop"
        if fields.get("index") is None:
            fields["index"] = index
        for name in _CHOICE_OPTIONAL:
            if name in fields and fields[name] is None:
                del fields[name]


class StreamingChoices(Model):
    """A piece of one of the answers."""

    _fields = ("finish_reason", "index", "delta", "logprobs")
    _absent = frozenset({"finish_reason", "logprobs"})
    _optional = frozenset({"provider_specific_fields", "enhancements"})
    finish_reason: str | None = None
    index: int = 0
    delta = Child(Delta)
    logprobs = Child(ChoiceLogprobs)

    def __init__(
        self,
        finish_reason: str | None = None,
        index: int = 0,
        delta: Any = None,
        logprobs: Any = None,
        **fields: Any,
    ) -> None:
        super().__init__(
            finish_reason=finish_reason,
            index=index,
            delta=Delta() if delta is None else delta,
            logprobs=logprobs,
            **fields,
        )

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        if fields.get("delta") is None:
            fields["delta"] = {}


class ModelResponseBase(Model):
    """What whole answers and pieces have in common."""

    id: str
    created: int
    model: str | None = None
    object: str
    system_fingerprint: str | None = None


class ModelResponse(ModelResponseBase):
    """A whole chat answer."""

    _fields = ("id", "created", "model", "object", "system_fingerprint", "choices", "usage")
    _absent = frozenset({"model", "system_fingerprint"})
    _optional = frozenset({"service_tier"})
    choices = Child(Choices, many=True)
    usage = Child(Usage)

    def __init__(
        self,
        id: str | None = None,
        choices: Any = None,
        created: int | None = None,
        model: str | None = None,
        object: str | None = None,
        system_fingerprint: str | None = None,
        usage: Any = None,
        stream: bool | None = None,
        stream_options: Any = None,
        response_ms: float | None = None,
        hidden_params: dict[str, Any] | None = None,
        _response_headers: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        if choices is None:
            choices = Wrapped([StreamingChoices() if stream else Choices()])
        elif stream:
            choices = Wrapped(StreamingChoices._wrap(choice, n) for n, choice in enumerate(choices))
        else:
            choices = list(choices)
        super().__init__(
            id=id or f"chatcmpl-{new_id()}",
            created=int(time.time()) if created is None else created,
            model=model,
            object=object or ("chat.completion.chunk" if stream else "chat.completion"),
            system_fingerprint=system_fingerprint,
            choices=choices,
            **fields,
        )
        if usage is not None:
            self.__dict__["usage"] = usage
        elif not stream:
            self.__dict__["usage"] = Usage()
        if hidden_params is not None:
            self._hidden_params = hidden_params
        if response_ms is not None:
            self._response_ms = response_ms
        if _response_headers is not None:
            self._response_headers = _response_headers

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        fields["object"] = fields.get("object") or "chat.completion"
        if "service_tier" in fields and fields["service_tier"] is None:
            del fields["service_tier"]
        if fields.get("usage", 0) is None:
            del fields["usage"]

    def _names(self) -> list[str]:
        names = super()._names()
        return names if "usage" in self.__dict__ else [name for name in names if name != "usage"]


class ModelResponseStream(ModelResponseBase):
    """A piece of a streamed chat answer."""

    _fields = ("id", "created", "model", "object", "system_fingerprint", "choices")
    _absent = frozenset({"model", "system_fingerprint"})
    _optional = frozenset({"usage", "service_tier"})
    _unset = ("provider_specific_fields", "citations")
    provider_specific_fields: dict[str, Any] | None = None
    citations: list[Any] | None = None
    choices = Child(StreamingChoices, many=True)
    usage = Child(Usage)

    def __init__(
        self,
        choices: Any = None,
        id: str | None = None,
        created: int | None = None,
        model: str | None = None,
        **fields: Any,
    ) -> None:
        fields.setdefault("object", "chat.completion.chunk")
        super().__init__(
            id=id or f"chatcmpl-{new_id()}",
            created=int(time.time()) if created is None else created,
            model=model,
            choices=[StreamingChoices()] if choices is None else list(choices),
            **fields,
        )
