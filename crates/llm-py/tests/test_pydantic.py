"""Objects of pydantic as arguments. The package is optional, for users too."""

from __future__ import annotations

from typing import Any

import interlingua
import pytest
from conftest import USER, Upstream

pydantic = pytest.importorskip("pydantic", reason="the package is optional, for users too")


class Person(pydantic.BaseModel):
    """Somebody."""

    name: str
    age: int | None = None


class People(pydantic.BaseModel):
    """Several."""

    people: list[Person]


def test_a_class_becomes_a_strict_schema(upstream: Upstream, openai: dict[str, str]) -> None:
    interlingua.completion(messages=USER, response_format=People, **openai)
    sent = upstream.last.body["response_format"]
    assert sent["type"] == "json_schema"
    assert (sent["json_schema"]["name"], sent["json_schema"]["strict"]) == ("People", True)
    schema = sent["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    person = schema["$defs"]["Person"]
    assert person["required"] == ["name", "age"]
    assert person["additionalProperties"] is False


def test_messages_and_tools_may_be_objects(upstream: Upstream, openai: dict[str, str]) -> None:
    class Ask(pydantic.BaseModel):
        role: str
        content: str
        name: str | None = None

    class Tool(pydantic.BaseModel):
        type: str = "function"
        function: dict[str, Any]

    tool = Tool(function={"name": "f", "parameters": {"type": "object"}})
    interlingua.completion(messages=[Ask(role="user", content="Hi")], tools=[tool], **openai)
    assert upstream.last.body["messages"] == USER
    assert upstream.last.body["tools"][0]["function"]["name"] == "f"


def test_our_objects_fit_into_models_of_pydantic() -> None:
    class Holder(pydantic.BaseModel):
        message: interlingua.Message

    held = Holder(message={"role": "assistant", "content": "x"})
    assert held.message.content == "x"
    assert held.model_dump()["message"]["content"] == "x"
