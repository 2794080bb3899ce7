"""The `openai` package, with nothing changed but `base_url`."""

import json

import openai
import pytest
from conftest import KEY
from pydantic import BaseModel

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
        },
    }
]
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(params=["", "/v1"])
def client(request, gateway):
    return openai.OpenAI(api_key=KEY, base_url=gateway.url + request.param, max_retries=0)


@pytest.fixture
def plain(gateway):
    return openai.OpenAI(api_key=KEY, base_url=gateway.url, max_retries=0)


# Both vendors, one dialect.
@pytest.mark.parametrize("model", ["gpt-4o", "claude"])
def test_chat(client, model):
    answer = client.chat.completions.create(model=model, messages=HELLO)
    assert answer.choices[0].message.content == "You said: Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == model
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_unknown_fields_of_an_answer_survive(plain):
    answer = plain.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.vendor_extra == {"kept": True}


def test_unknown_fields_of_a_request_reach_the_vendor(plain, upstream):
    plain.chat.completions.create(model="gpt-4o", messages=HELLO, extra_body={"vendor_field": [1, {"a": None}]})
    assert upstream.last()["body"]["vendor_field"] == [1, {"a": None}]
    assert upstream.last()["headers"]["authorization"] == "Bearer sk-upstream"


@pytest.mark.parametrize("model", ["gpt-4o", "claude"])
def test_stream(client, model):
    stream = client.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).strip() == "You said: Hello"
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage.total_tokens > 0
    assert {c.model for c in chunks} == {model}
    assert len({c.id for c in chunks}) == 1


@pytest.mark.parametrize("model", ["gpt-4o", "claude"])
def test_a_stream_without_the_option_has_no_usage(plain, model):
    chunks = list(plain.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert all(c.usage is None and c.choices for c in chunks)


@pytest.mark.parametrize("model,calls", [("gpt-4o", 2), ("claude", 1)])
def test_tools(plain, upstream, model, calls):
    answer = plain.chat.completions.create(model=model, messages=HELLO, tools=TOOLS, tool_choice="auto")
    found = answer.choices[0].message.tool_calls
    assert [json.loads(c.function.arguments) for c in found] == [{"city": "Paris", "days": 2}] * calls
    assert answer.choices[0].finish_reason == "tool_calls"
    # And the results go back.
    history = [*HELLO, answer.choices[0].message, *({"role": "tool", "tool_call_id": c.id, "content": "sunny"} for c in found)]
    plain.chat.completions.create(model=model, messages=history, tools=TOOLS)
    assert "sunny" in json.dumps(upstream.last()["body"])


@pytest.mark.parametrize("model,calls", [("gpt-4o", 2), ("claude", 1)])
def test_streamed_tools(plain, model, calls):
    arguments, names = {}, {}
    for chunk in plain.chat.completions.create(model=model, messages=HELLO, tools=TOOLS, stream=True):
        for part in chunk.choices[0].delta.tool_calls or []:
            arguments[part.index] = arguments.get(part.index, "") + (part.function.arguments or "")
            names.setdefault(part.index, part.function.name)
    assert [json.loads(arguments[i]) for i in sorted(arguments)] == [{"city": "Paris", "days": 2}] * calls
    assert set(names.values()) == {"get_weather"}


def test_vision(plain, upstream):
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": pixel}}]
    messages = [{"role": "user", "content": content}]
    plain.chat.completions.create(model="gpt-4o", messages=messages)
    assert upstream.last()["body"]["messages"] == messages
    plain.chat.completions.create(model="claude", messages=messages)
    block = upstream.last()["body"]["messages"][0]["content"][1]
    assert block["source"]["media_type"] == "image/png" and pixel.endswith(block["source"]["data"])


class City(BaseModel):
    city: str
    population: int


def test_structured_output(plain):
    answer = plain.chat.completions.parse(model="gpt-4o", messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == City(city="Paris", population=2100000)


def test_embeddings(client):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [item.embedding for item in answer.data] == [[0.25, -0.5, 0.0], [0.25, -0.5, 1.0]]
    answer = client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float")
    assert answer.data[0].embedding == [0.25, -0.5, 0.0]
    assert answer.model == "text-embedding-3-small"


@pytest.mark.parametrize("model", ["gpt-4o", "claude"])
def test_legacy_completions_over_chat(plain, model):
    # The loopback vendor's OpenAI speaks chat alone: this one is bridged for Claude, and native for OpenAI.
    if model == "gpt-4o":
        pytest.skip("OpenAI answers completions itself; the loopback vendor does not")
    answer = plain.completions.create(model=model, prompt="Hello")
    assert answer.choices[0].text == "You said: Hello"
    streamed = plain.completions.create(model=model, prompt="Hello", stream=True)
    assert "".join(c.choices[0].text for c in streamed if c.choices).strip() == "You said: Hello"


def test_models(client):
    listed = {model.id for model in client.models.list()}
    assert {"gpt-4o", "claude", "text-embedding-3-small"} <= listed
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def test_headers(plain):
    raw = plain.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
    assert raw.headers["x-litellm-call-id"]
    assert float(raw.headers["x-litellm-response-cost"]) > 0
    assert raw.headers["x-litellm-model-group"] == "gpt-4o"
    assert raw.headers["x-litellm-attempted-retries"] == "0"
    assert raw.headers["llm_provider-x-request-id"] == "req_upstream"


@pytest.mark.parametrize(
    "model,error",
    [
        ("broken/rate-limited", openai.RateLimitError),
        ("broken/too-long", openai.BadRequestError),
        ("broken/no-key", openai.AuthenticationError),
        ("broken/gone", openai.NotFoundError),
        ("broken/empty", openai.InternalServerError),
        ("broken/half", openai.InternalServerError),
        ("nobody-has-this", openai.BadRequestError),
    ],
)
def test_errors(plain, model, error):
    with pytest.raises(error) as caught:
        plain.chat.completions.create(model=model, messages=HELLO)
    assert caught.value.body["message"]
    assert caught.value.body["code"] == str(caught.value.status_code)


def test_the_vendors_words_reach_the_user(plain):
    with pytest.raises(openai.RateLimitError, match="Rate limit reached for requests") as caught:
        plain.chat.completions.create(model="broken/rate-limited", messages=HELLO)
    assert caught.value.response.headers["retry-after"] == "7"


def test_a_fallback_answers(plain):
    raw = plain.chat.completions.with_raw_response.create(model="broken/html", messages=HELLO)
    assert raw.headers["x-litellm-attempted-fallbacks"] == "1"
    assert raw.parse().choices[0].message.content == "You said: Hello"


def test_a_retry_answers(plain, upstream):
    upstream.failures_left["flaky"] = 1
    raw = plain.chat.completions.with_raw_response.create(
        model="broken/flaky", messages=HELLO, extra_body={"num_retries": 2}
    )
    assert raw.headers["x-litellm-attempted-retries"] == "1"


@pytest.mark.parametrize("model", ["broken/truncated", "broken/error-in-stream"])
def test_a_broken_stream_is_an_error(plain, model):
    seen = []
    with pytest.raises(openai.APIError):
        for chunk in plain.chat.completions.create(model=model, messages=HELLO, stream=True):
            seen.append(chunk)
    assert seen, "what came before is delivered"
    assert all(c.choices[0].finish_reason is None for c in seen)


def test_hanging_up_cancels_the_vendor(plain, upstream):
    upstream.hung_up.clear()
    stream = plain.chat.completions.create(model="broken/endless", messages=HELLO, stream=True)
    next(iter(stream))
    stream.close()
    assert upstream.hung_up.wait(timeout=30)


@pytest.mark.parametrize("key", ["sk-wrong", "nonsense"])
def test_a_wrong_key_is_refused(gateway, key):
    client = openai.OpenAI(api_key=key, base_url=gateway.url, max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)


def test_what_a_vendor_does_not_do_says_so(plain):
    with pytest.raises(openai.BadRequestError) as caught:
        plain.images.generate(model="claude", prompt="a cat")
    assert "does not support image_generation" in caught.value.message


async def collect(stream):
    return [chunk async for chunk in stream]


def test_async(gateway):
    import asyncio

    async def go():
        async with openai.AsyncOpenAI(api_key=KEY, base_url=gateway.url, max_retries=0) as client:
            many = [client.chat.completions.create(model="gpt-4o", messages=HELLO) for _ in range(20)]
            answers = await asyncio.gather(*many)
            assert {a.choices[0].message.content for a in answers} == {"You said: Hello"}
            chunks = await collect(await client.chat.completions.create(model="claude", messages=HELLO, stream=True))
            assert chunks[-1].choices[0].finish_reason == "stop"

    asyncio.run(go())
