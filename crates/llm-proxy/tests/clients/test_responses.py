"""The `openai` package's Responses: to OpenAI untouched, to Claude over chat."""

import openai
import pytest
from conftest import KEY
from pydantic import BaseModel

BOTH = pytest.mark.parametrize("model", ["gpt-4o", "claude"])
TOOLS = [
    {
        "type": "function",
        "name": "get_weather",
        "description": "Weather of a city",
        "strict": False,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    }
]


@pytest.fixture
def client(gateway):
    return openai.OpenAI(api_key=KEY, base_url=gateway.url, max_retries=0)


@BOTH
@pytest.mark.parametrize("prefix", ["", "/v1", "/openai/v1"])
def test_create(gateway, model, prefix):
    client = openai.OpenAI(api_key=KEY, base_url=gateway.url + prefix, max_retries=0)
    answer = client.responses.create(model=model, input="Hello", instructions="Be brief.")
    assert answer.output_text == "You said: Hello"
    assert answer.status == "completed" and answer.error is None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
    assert answer.id.startswith("resp_")


def test_to_openai_the_body_passes_untouched(client, upstream):
    answer = client.responses.create(
        model="gpt-4o", input=[{"role": "user", "content": "Hi"}], metadata={"a": "b"}, store=False, extra_body={"new_field": [1]}
    )
    body = upstream.last()["body"]
    assert upstream.last()["path"] == "/v1/responses"
    assert body["input"] == [{"role": "user", "content": "Hi"}]
    assert (body["metadata"], body["store"], body["new_field"]) == ({"a": "b"}, False, [1])
    assert answer.vendor_extra == {"kept": True}


def test_to_claude_it_goes_over_chat(client, upstream):
    client.responses.create(model="claude", input="Hello", instructions="Be brief.", max_output_tokens=50, temperature=0.5)
    sent = upstream.last()
    assert sent["path"] == "/v1/messages"
    assert sent["body"]["max_tokens"] == 50 and sent["body"]["temperature"] == 0.5
    assert "Be brief." in str(sent["body"]["system"])


@BOTH
def test_stream(client, model):
    with client.responses.stream(model=model, input="Hello") as stream:
        events = list(stream)
        answer = stream.get_final_response()
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text.strip() == "You said: Hello"
    assert answer.output_text.strip() == "You said: Hello"
    assert answer.usage.output_tokens > 0
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert events[0].response.id == answer.id


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_tools(client, model, stream):
    if stream:
        with client.responses.stream(model=model, input="Hello", tools=TOOLS) as events:
            answer = events.get_final_response()
    else:
        answer = client.responses.create(model=model, input="Hello", tools=TOOLS)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather"]
    assert calls[0].call_id and '"Paris"' in calls[0].arguments


def test_results_of_tools_reach_claude(client, upstream):
    items = [
        {"role": "user", "content": "Hello"},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"role": "user", "content": "So?"},
    ]
    client.responses.create(model="claude", input=items, tools=TOOLS)
    sent = upstream.last()["body"]["messages"]
    assert sent[1]["content"][0]["type"] == "tool_use" and sent[1]["content"][0]["input"] == {"city": "Paris"}
    assert sent[2]["content"][0]["tool_use_id"] == "c1"


def test_parse(client):
    class City(BaseModel):
        city: str

    # The loopback vendor is no model: what counts is that the schema goes out and the answer comes back.
    with pytest.raises(ValueError):
        client.responses.parse(model="gpt-4o", input="Where?", text_format=City)


def test_openai_remembers_what_it_said(client, upstream):
    first = client.responses.create(model="gpt-4o", input="Hello")
    second = client.responses.create(model="gpt-4o", input="And?", previous_response_id=first.id)
    assert upstream.last()["body"]["previous_response_id"] == "resp_upstream"
    assert second.previous_response_id == first.id


@pytest.mark.parametrize("stream", [False, True])
def test_what_claude_said_is_remembered_here(client, upstream, stream):
    if stream:
        with client.responses.stream(model="claude", input="My name is Ada.") as events:
            first = events.get_final_response()
    else:
        first = client.responses.create(model="claude", input="My name is Ada.")
    second = client.responses.create(model="claude", input="Who am I?", previous_response_id=first.id)
    client.responses.create(model="claude", input="Sure?", previous_response_id=second.id)
    sent = upstream.last()["body"]["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert "Ada" in str(sent[0]) and "Sure?" in str(sent[4])
    assert second.previous_response_id == first.id and second.id != first.id


def test_what_is_not_kept_is_not_remembered(client):
    first = client.responses.create(model="claude", input="Hello", store=False)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="claude", input="Again", previous_response_id=first.id)
    assert caught.value.param == "previous_response_id"


@pytest.mark.parametrize("param,value", [("tools", [{"type": "mcp", "server_label": "x", "server_url": "https://example.com"}]), ("background", True)])
def test_what_claude_cannot_do_is_refused_by_name(client, param, value):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="claude", input="Hello", **{param: value})
    assert caught.value.param.startswith(param)


@pytest.mark.parametrize(
    "model,error",
    [
        ("broken/rate-limited", openai.RateLimitError),
        ("broken/no-key", openai.AuthenticationError),
        ("nobody-has-this", openai.BadRequestError),
    ],
)
def test_errors(client, model, error):
    with pytest.raises(error):
        client.responses.create(model=model, input="Hello")


def test_a_broken_stream_is_an_error(client):
    with pytest.raises(openai.APIError):
        with client.responses.stream(model="broken/truncated", input="Hello") as stream:
            for _ in stream:
                pass
