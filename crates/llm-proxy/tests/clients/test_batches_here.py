"""Batches for a vendor that has none: the gateway keeps the files and answers the lines itself, over a restart too."""

import json
import time

import httpx
import openai
import pytest
from conftest import KEY, Gateway

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{url}", api_key: sk-ant-upstream}}
  - model_name: held
    litellm_params: {{model: openai/held, api_base: "{url}/v1", api_key: sk-upstream}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
general_settings: {{master_key: {key}, data_folder: "{folder}"}}
"""
HERE = {"custom_llm_provider": "local"}


def line(id, model="claude", text=None, **body):
    messages = [{"role": "user", "content": text or id}]
    return {"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": {"model": model, "messages": messages, **body}}


def jsonl(lines):
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@pytest.fixture
def start(upstream, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, key=KEY, folder=tmp_path / "data"))
    running = []

    def start():
        running.append(Gateway(["--config", str(config)]))
        running[-1].upstream = upstream.url
        return running[-1], openai.OpenAI(api_key=KEY, base_url=running[-1].url, max_retries=0)

    yield start
    for gateway in running:
        gateway.process.kill()
        gateway.wait()


def begun(client, lines, **more):
    file = client.files.create(file=("in.jsonl", lines if isinstance(lines, bytes) else jsonl(lines)), purpose="batch", extra_body=HERE)
    assert file.id.startswith("file-local-")
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more)


def ended(client, id):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        batch = client.batches.retrieve(id)
        if batch.status not in ("validating", "in_progress", "cancelling"):
            return batch
        time.sleep(0.02)
    raise AssertionError(batch)


def lines_of(client, file):
    return [json.loads(text) for text in client.files.content(file).text.splitlines()]


def test_lines_are_answered(start):
    gateway, client = start()
    asked = [line(f"r{n}") for n in range(20)] + [line("other", "gpt-4o"), line("none", "no-such-model"), line("place", api_base="http://x")]
    batch = begun(client, asked, metadata={"a": "b"})
    assert (batch.object, batch.metadata, batch.output_file_id) == ("batch", {"a": "b"}, None)
    done = ended(client, batch.id)
    assert done.status == "completed" and done.completed_at
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (23, 21, 2)
    out = {answer["custom_id"]: answer["response"] for answer in lines_of(client, done.output_file_id)}
    assert sorted(out) == sorted(line["custom_id"] for line in asked[:21])
    for id, response in out.items():
        assert response["status_code"] == 200
        assert response["body"]["choices"][0]["message"]["content"] == f"You said: {id}"
    errors = {answer["custom_id"]: answer["response"] for answer in lines_of(client, done.error_file_id)}
    assert errors["none"]["status_code"] == 400 and "no-such-model" in errors["none"]["body"]["error"]["message"]
    assert "api_base" in errors["place"]["body"]["error"]["message"]
    listed = client.batches.list(extra_query=HERE)
    assert [known.id for known in listed] == [batch.id]
    names = [file.filename for file in client.files.list(extra_query={**HERE, "purpose": "batch_output"})]
    assert sorted(names) == [f"{batch.id}_error.jsonl", f"{batch.id}_output.jsonl"]
    assert client.files.delete(done.output_file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(done.output_file_id)


def test_an_input_with_mistakes(start):
    _, client = start()
    failed = ended(client, begun(client, b'{"custom_id": "a", "body": {}}\nno json\n').id)
    assert failed.status == "failed"
    assert [(problem.line, problem.code) for problem in failed.errors.data] == [(2, "invalid_json_line")]
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        file = client.files.create(file=("in.jsonl", b"{}"), purpose="batch", extra_body=HERE)
        client.batches.create(input_file_id=file.id, endpoint="/v1/files", completion_window="24h")
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id="file-local-" + "0" * 32, endpoint="/v1/chat/completions", completion_window="24h")


def test_a_killed_gateway_goes_on_where_it_was(start, upstream):
    gateway, client = start()
    upstream.holding.clear()
    upstream.release.clear()
    batch = begun(client, [line(f"r{n}") for n in range(5)] + [line("held", "held")])
    assert upstream.holding.wait(30)
    deadline = time.monotonic() + 30
    while client.batches.retrieve(batch.id).request_counts.completed < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    before = len(upstream.requests)
    gateway.process.kill()
    gateway.wait()
    upstream.release.set()
    _, client = start()
    done = ended(client, batch.id)
    assert done.status == "completed" and done.request_counts.total == 6
    answered = [answer["custom_id"] for answer in lines_of(client, done.output_file_id) if answer["response"]["status_code"] == 200]
    errors = [answer["custom_id"] for answer in lines_of(client, done.error_file_id)] if done.error_file_id else []
    assert sorted(answered + errors) == ["held", "r0", "r1", "r2", "r3", "r4"]
    again = [seen["body"] for seen in upstream.requests[before:]]
    assert [body["model"] for body in again] == ["held"]


def test_a_batch_is_stopped(start, upstream):
    _, client = start()
    upstream.holding.clear()
    upstream.release.clear()
    batch = begun(client, [line(f"held-{n}", "held") for n in range(50)])
    assert upstream.holding.wait(30)
    assert client.batches.cancel(batch.id).status == "cancelling"
    upstream.release.set()
    done = ended(client, batch.id)
    counts = done.request_counts
    assert done.status == "cancelled" and counts.completed + counts.failed < 50
    with pytest.raises(openai.BadRequestError, match="cannot be cancelled"):
        client.batches.cancel(batch.id)


def test_other_vendors_files_are_theirs(start, upstream):
    gateway, _ = start()
    headers = {"authorization": f"Bearer {KEY}"}
    reply = httpx.get(f"{gateway.url}/v1/batches", headers=headers, params=HERE)
    assert reply.status_code == 200 and reply.json()["data"] == []


def test_lines_are_their_maker_s(start):
    gateway, _ = start()
    admin = {"Authorization": f"Bearer {KEY}"}
    priced = {
        "model_name": "priced",
        "litellm_params": {"model": "openai/gpt-4o", "api_base": f"{gateway.upstream}/v1", "api_key": "sk-x", "input_cost_per_token": 0, "output_cost_per_token": 0.001},
    }
    assert httpx.post(f"{gateway.url}/model/new", headers=admin, json=priced, timeout=30).status_code == 200
    made = httpx.post(f"{gateway.url}/key/generate", headers=admin, json={"models": ["priced"], "max_budget": 0.021}, timeout=30).json()
    client = openai.OpenAI(api_key=made["key"], base_url=gateway.url, max_retries=0)
    # Each answer costs seven thousandths, and a fourth does not fit.
    batch = begun(client, [line(f"r{n}", "priced", max_tokens=7) for n in range(5)] + [line("denied", "gpt-4o")])
    done = ended(client, batch.id)
    assert (done.request_counts.completed, done.request_counts.failed) == (3, 3)
    refused = {answer["custom_id"]: answer["response"] for answer in lines_of(client, done.error_file_id)}
    assert refused.pop("denied")["status_code"] == 403
    assert {response["status_code"] for response in refused.values()} == {422}
    assert all("Budget has been exceeded" in response["body"]["error"]["message"] for response in refused.values())
    info = httpx.get(f"{gateway.url}/key/info", headers=admin, params={"key": made["key"]}, timeout=30).json()
    assert info["info"]["spend"] == pytest.approx(0.021)
