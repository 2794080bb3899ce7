"""The `anthropic` package: to Claude untouched, to every other model over chat."""

import anthropic
import pytest
from conftest import KEY

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [{"name": "get_weather", "description": "Weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]


@pytest.fixture
def client(gateway):
    return anthropic.Anthropic(api_key=KEY, base_url=gateway.url, max_retries=0)


@pytest.mark.parametrize("model", ["claude", "gpt-4o"])
def test_message(client, model):
    answer = client.messages.create(model=model, max_tokens=100, messages=HELLO, system="Be brief.")
    assert answer.type == "message" and answer.role == "assistant"
    assert answer.content[0].text == "You said: Hello"
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_to_claude_the_body_passes_untouched(client, upstream):
    system = [{"type": "text", "text": "Long", "cache_control": {"type": "ephemeral"}}]
    client.messages.create(
        model="claude", max_tokens=5, messages=HELLO, system=system, metadata={"user_id": "u1"}, extra_body={"new_field": {"a": 1}}
    )
    body = upstream.last()["body"]
    assert body["system"] == system and body["metadata"] == {"user_id": "u1"} and body["new_field"] == {"a": 1}
    assert body["model"] == "claude-sonnet-4-5"
    headers = {name.lower(): value for name, value in upstream.last()["headers"].items()}
    assert headers["x-api-key"] == "sk-ant-upstream" and headers["anthropic-version"]


@pytest.mark.parametrize("model,calls", [("claude", 1), ("gpt-4o", 2)])
def test_streamed_tools(client, model, calls):
    with client.messages.stream(model=model, max_tokens=100, messages=HELLO, tools=TOOLS) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_message()
    uses = [block for block in answer.content if block.type == "tool_use"]
    assert [block.input for block in uses] == [{"city": "Paris", "days": 2}] * calls
    assert answer.stop_reason == "tool_use"


@pytest.mark.parametrize("model", ["claude", "gpt-4o"])
def test_streamed_text(client, model):
    with client.messages.stream(model=model, max_tokens=100, messages=HELLO) as stream:
        assert "".join(stream.text_stream).strip() == "You said: Hello"
        answer = stream.get_final_message()
    assert answer.usage.output_tokens > 0
    assert answer.stop_reason == "end_turn"


def test_thinking_keeps_its_signature(client):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with client.messages.stream(model="claude", max_tokens=2000, messages=HELLO, thinking=thinking) as stream:
        answer = stream.get_final_message()
    assert answer.content[0].thinking == "Hmm." and answer.content[0].signature == "c2ln"


def test_tool_results_reach_another_vendor(client, upstream):
    messages = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Paris"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}, {"type": "text", "text": "So?"}]},
    ]
    client.messages.create(model="gpt-4o", max_tokens=10, messages=messages, tools=TOOLS)
    sent = upstream.last()["body"]["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "user"]
    assert sent[2]["tool_call_id"] == "t1" and sent[2]["content"] == "sunny"


def test_count_tokens(client):
    assert client.messages.count_tokens(model="claude", messages=HELLO).input_tokens == 42
    assert client.messages.count_tokens(model="gpt-4o", messages=HELLO).input_tokens > 0


@pytest.mark.parametrize(
    "model,error",
    [
        ("broken/rate-limited", anthropic.RateLimitError),
        ("broken/no-key", anthropic.AuthenticationError),
        ("broken/too-long", anthropic.BadRequestError),
        ("nobody-has-this", anthropic.BadRequestError),
    ],
)
def test_errors_are_in_the_dialect(client, model, error):
    with pytest.raises(error) as caught:
        client.messages.create(model=model, max_tokens=10, messages=HELLO)
    assert caught.value.body["type"] == "error" and caught.value.body["error"]["message"]


def test_a_broken_stream_is_an_error(client):
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(model="broken/truncated", max_tokens=10, messages=HELLO) as stream:
            for _ in stream:
                pass


def test_wrong_key(gateway):
    client = anthropic.Anthropic(api_key="sk-wrong", base_url=gateway.url, max_retries=0)
    with pytest.raises(anthropic.AuthenticationError):
        client.messages.create(model="claude", max_tokens=10, messages=HELLO)
