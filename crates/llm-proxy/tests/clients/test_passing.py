"""Vendors' own clients and their own paths: the gateway's key in front, the vendor's behind, nothing translated."""

import anthropic
import openai
import pytest
from conftest import KEY
from google import genai
from google.genai import types

HELLO = [{"role": "user", "content": "Hello"}]


def header(request, name):
    return next((value for key, value in request["headers"].items() if key.lower() == name), None)


def our_key_stayed(request):
    assert KEY not in str(request["headers"]) and KEY not in request["path"]


@pytest.mark.parametrize("stream", [False, True])
def test_openai(gateway, upstream, stream):
    client = openai.OpenAI(api_key=KEY, base_url=gateway.url + "/openai", max_retries=0)
    answer = client.chat.completions.create(model="gpt-4.1", messages=HELLO, stream=stream)
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
        assert text.strip() == "You said: Hello"
    else:
        assert answer.choices[0].message.content == "You said: Hello"
        assert answer.vendor_extra == {"kept": True}
    last = upstream.last()
    assert last["path"] == "/v1/chat/completions"
    assert last["body"]["model"] == "gpt-4.1"
    assert header(last, "authorization") == "Bearer sk-upstream"
    our_key_stayed(last)


@pytest.mark.parametrize("asks", [False, True])
def test_the_usage_of_a_stream_is_who_asks_for_it_s(gateway, upstream, asks):
    client = openai.OpenAI(api_key=KEY, base_url=gateway.url + "/openai", max_retries=0)
    options = {"stream_options": {"include_usage": True}} if asks else {}
    chunks = list(client.chat.completions.create(model="gpt-4.1", messages=HELLO, stream=True, **options))
    assert any(chunk.usage for chunk in chunks) == asks
    assert all(chunk.choices for chunk in chunks) != asks
    assert upstream.last()["body"]["stream_options"] == {"include_usage": True}


def test_the_cost_of_a_whole_answer(gateway):
    client = openai.OpenAI(api_key=KEY, base_url=gateway.url + "/openai", max_retries=0)
    raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=HELLO)
    assert float(raw.headers["x-litellm-response-cost"]) > 0


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic(gateway, upstream, stream):
    client = anthropic.Anthropic(api_key=KEY, base_url=gateway.url + "/anthropic", max_retries=0)
    if stream:
        with client.messages.stream(model="claude-haiku-4-5", max_tokens=9, messages=HELLO) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=HELLO)
    assert message.content[0].text.strip() == "You said: Hello"
    last = upstream.last()
    assert last["path"] == "/v1/messages"
    assert header(last, "x-api-key") == "sk-ant-upstream"
    assert header(last, "anthropic-version") == "2023-06-01"
    our_key_stayed(last)


@pytest.mark.parametrize("stream", [False, True])
def test_google(gateway, upstream, stream):
    client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=gateway.url + "/gemini"))
    if stream:
        answers = client.models.generate_content_stream(model="gemini-2.5-pro", contents="Hello")
        text = "".join(answer.text or "" for answer in answers)
    else:
        text = client.models.generate_content(model="gemini-2.5-pro", contents="Hello").text
    assert text.strip() == "You said: Hello"
    last = upstream.last()
    assert last["path"].startswith("/v1beta/models/gemini-2.5-pro:")
    assert header(last, "x-goog-api-key") == "google-upstream"
    our_key_stayed(last)


def test_nobody_passes_without_the_key(gateway, upstream):
    before = len(upstream.requests)
    client = openai.OpenAI(api_key="sk-other", base_url=gateway.url + "/openai", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="gpt-4.1", messages=HELLO)
    assert len(upstream.requests) == before
