"""Keys that an administrator makes, in the hands of OpenAI's client."""

import json
import urllib.request

import openai
import pytest

from conftest import KEY


@pytest.fixture
def make(gateway):
    def make(**fields):
        request = urllib.request.Request(
            f"{gateway.url}/key/generate",
            data=json.dumps(fields).encode(),
            headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            made = json.load(answer)
        return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=made["key"], max_retries=0)

    return make


def ask(client, model="gpt-4o", **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], **more)


def test_a_key_asks_what_it_may(make):
    client = make(models=["gpt-4o"])
    assert ask(client).choices[0].message.content
    chunks = list(ask(client, stream=True))
    assert chunks[-1].choices == [] or chunks[-1].choices[0].finish_reason
    with pytest.raises(openai.PermissionDeniedError, match="not available for this API key"):
        ask(client, model="text-embedding-3-small")
    assert [model.id for model in client.models.list()] == ["gpt-4o"]


def test_a_budget_ends(make):
    client = make(max_budget=0)
    with pytest.raises(openai.UnprocessableEntityError, match="Budget has been exceeded") as refused:
        ask(client)
    assert refused.value.type == "budget_exceeded"


def test_a_limit_says_when_to_come_back(make):
    client = make(rpm_limit=1)
    first = client.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hi"}]
    )
    assert first.headers["x-ratelimit-api_key-remaining-requests"] == "0"
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client)
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60


def test_a_key_that_nobody_made_is_refused(gateway):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="sk-made-up-by-somebody", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        ask(client)
