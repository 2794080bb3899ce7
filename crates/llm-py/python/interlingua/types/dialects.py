"""Answers in other dialects than chat: objects all the way down, under the vendor's own names."""

from __future__ import annotations

import re

from .base import Model, Wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What programs take for plain dicts: the words in them are the caller's own.
_PLAIN = frozenset({"args", "metadata", "parameters", "schema", "properties", "additionalProperties"})

_SNAKE = re.compile(r"_([a-z0-9])")


class Nested(Model):
    """An object of a vendor's; objects in it are such objects, too."""

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        for name, value in fields.items():
            if name not in _PLAIN:
                fields[name] = _nested(value)


def _nested(value: Any) -> Any:
    if type(value) is dict:
        return Nested._wrap(value)
    if type(value) is list and value and type(value[0]) in (dict, list):
        return Wrapped(_nested(item) for item in value)
    return value


class ResponsesAPIResponse(Nested):
    """An answer of the Responses API."""

    id: str
    object: str
    created_at: int
    model: str
    status: str
    output: list[Any]
    usage: Any

    @property
    def output_text(self) -> str:
        """All texts of the answer, one after the other."""
        texts = []
        for item in self.__dict__.get("output") or ():
            if item.get("type") == "message":
                for part in item.get("content") or ():
                    if part.get("type") == "output_text":
                        texts.append(part.get("text") or "")
        return "".join(texts)


class ResponsesStreamEvent(Nested):
    """One event of a streamed response."""

    type: str

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        whole = fields.get("response")
        if type(whole) is dict:
            fields["response"] = ResponsesAPIResponse._wrap(whole)
        super()._settle(index)


class GenerateContentResponse(Nested):
    """An answer of Google's, or a piece of one. Its fields are found under Python's spelling, too."""

    candidates: list[Any]

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__
        camel = _SNAKE.sub(lambda found: found.group(1).upper(), name)
        if camel in fields:
            return fields[camel]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @property
    def text(self) -> str:
        """All texts of the first answer, without its thoughts."""
        candidates = self.__dict__.get("candidates") or ()
        if not candidates:
            return ""
        content = candidates[0].get("content") or {}
        parts = content.get("parts") or ()
        return "".join(part.get("text") or "" for part in parts if not part.get("thought"))
