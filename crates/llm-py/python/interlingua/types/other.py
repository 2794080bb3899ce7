"""Answers of the endpoints besides chat."""

from __future__ import annotations

import time

from .._native import new_id
from .base import Child, Model
from .usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Embedding(Model):
    """One vector."""

    _fields = ("embedding", "index", "object")
    embedding: list[float] | str
    index: int
    object: str

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        fields.setdefault("index", index)
        fields.setdefault("object", "embedding")


class EmbeddingResponse(Model):
    """Vectors of texts or images."""

    _fields = ("model", "data", "object", "usage")
    _absent = frozenset({"model"})
    model: str | None = None
    object: str
    data = Child(Embedding, many=True)
    usage = Child(Usage)

    def __init__(
        self,
        model: str | None = None,
        usage: Any = None,
        response_ms: float | None = None,
        data: Any = None,
        hidden_params: dict[str, Any] | None = None,
        _response_headers: dict[str, Any] | None = None,
        object: str = "list",
        **fields: Any,
    ) -> None:
        super().__init__(
            model=model,
            data=[] if data is None else data,
            object=object,
            usage=Usage() if usage is None else usage,
            **fields,
        )
        if hidden_params is not None:
            self._hidden_params = hidden_params
        if response_ms is not None:
            self._response_ms = response_ms
        if _response_headers is not None:
            self._response_headers = _response_headers

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        fields["object"] = fields.get("object") or "list"
        if fields.get("usage") is None:
            fields["usage"] = Usage()
        if fields.get("data") is None:
            fields["data"] = []


class Logprobs(Model):
    """Probabilities of a text's tokens."""

    _fields = ("text_offset", "token_logprobs", "tokens", "top_logprobs")
    _absent = frozenset(_fields)
    text_offset: list[int] | None = None
    token_logprobs: list[float | None] | None = None
    tokens: list[str] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class TextChoices(Model):
    """One of the texts."""

    _fields = ("finish_reason", "index", "text", "logprobs")
    _absent = frozenset({"finish_reason", "text", "logprobs"})
    finish_reason: str | None = None
    index: int = 0
    text: str | None = None
    logprobs = Child(Logprobs)

    def __init__(
        self,
        finish_reason: str | None = None,
        index: int = 0,
        text: str | None = None,
        logprobs: Any = None,
        **fields: Any,
    ) -> None:
        super().__init__(finish_reason=finish_reason, index=index, text=text, logprobs=logprobs, **fields)


class TextCompletionResponse(Model):
    """A continued text, or a piece of one."""

    _fields = ("id", "object", "created", "model", "choices", "usage")
    _absent = frozenset({"model", "usage"})
    id: str
    object: str
    created: int
    model: str | None = None
    choices = Child(TextChoices, many=True)
    usage = Child(Usage)

    def __init__(
        self,
        id: str | None = None,
        choices: Any = None,
        created: int | None = None,
        model: str | None = None,
        usage: Any = None,
        stream: bool = False,
        response_ms: float | None = None,
        object: str | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(
            id=id or f"cmpl-{new_id()}",
            object=object or ("text_completion.chunk" if stream else "text_completion"),
            created=int(time.time()) if created is None else created,
            model=model,
            choices=[TextChoices()] if choices is None else list(choices),
            usage=Usage() if usage is None and not stream else usage,
            **fields,
        )
        if response_ms is not None:
            self._response_ms = response_ms
