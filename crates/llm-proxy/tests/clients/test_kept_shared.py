"""What the gateway keeps itself is in its database: files, batches and responses are known on every instance over it."""

import json
import pathlib
import time

import httpx
import openai
import pytest
from conftest import KEY, Gateway
from servers import Postgres, until
from test_batches_here import HERE, begun, ended, line, lines_of
from test_kept import endless_upload, high_water

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{url}", api_key: sk-ant-upstream}}
    model_info: {{id: claude}}
  - model_name: held
    litellm_params: {{model: openai/held, api_base: "{url}/v1", api_key: sk-upstream}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
general_settings:
  master_key: {key}
  database_url: "{database}"
  spend_journal_folder: os.environ/JOURNAL
  kept_files_max_size_mb: 250
"""


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def start(upstream, postgres, tmp_path):
    running = []

    def start(name, database=postgres.url):
        config = tmp_path / f"{name}.yaml"
        config.write_text(CONFIG.format(url=upstream.url, key=KEY, database=database))
        running.append(Gateway(["--config", str(config)], {"JOURNAL": str(tmp_path / name)}))
        return running[-1], openai.OpenAI(api_key=KEY, base_url=running[-1].url, max_retries=0)

    yield start
    upstream.release.set()
    for gateway in running:
        gateway.process.kill()
        gateway.wait()


def test_a_batch_of_one_instance_is_seen_on_the_other(start):
    (_, one), (_, two) = start("one"), start("two")
    made = begun(one, [line(f"r{n}") for n in range(20)] + [line("none", "no-such-model")])
    assert two.files.retrieve(made.input_file_id).filename == "in.jsonl"
    done = ended(two, made.id)
    assert done.status == "completed"
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (21, 20, 1)
    assert sorted(answer["custom_id"] for answer in lines_of(two, done.output_file_id)) == sorted(f"r{n}" for n in range(20))
    assert one.files.content(done.output_file_id).text == two.files.content(done.output_file_id).text
    assert one.batches.retrieve(made.id).to_dict() == done.to_dict()
    for client in (one, two):
        assert [batch.id for batch in client.batches.list(extra_query=HERE)][0] == made.id
        names = [file.filename for file in client.files.list(extra_query={**HERE, "purpose": "batch_output"})]
        assert f"{made.id}_output.jsonl" in names and f"{made.id}_error.jsonl" in names
    assert two.files.delete(done.output_file_id).deleted
    with pytest.raises(openai.NotFoundError):
        one.files.content(done.output_file_id)


def test_a_batch_is_stopped_from_the_other_instance(start, upstream):
    _, one = start("one")
    upstream.holding.clear()
    upstream.release.clear()
    made = begun(one, [line(f"held-{n}", "held") for n in range(50)])
    assert upstream.holding.wait(30)
    _, two = start("two")
    assert two.batches.cancel(made.id).status == "cancelling"
    # Its runner hears of it when it renews its lease.
    time.sleep(4)
    upstream.release.set()
    done = ended(two, made.id)
    counts = done.request_counts
    assert done.status == "cancelled" and done.cancelling_at and 0 < counts.completed + counts.failed < 50
    assert len(lines_of(one, done.output_file_id)) == counts.completed


def test_a_killed_instance_is_followed_by_another(start, upstream, postgres):
    gateway, one = start("one")
    upstream.holding.clear()
    upstream.release.clear()
    asked = [line(f"r{n}") for n in range(30)] + [line("held", "held")]
    made = begun(one, asked)
    assert upstream.holding.wait(30)
    until(lambda: one.batches.retrieve(made.id).request_counts.completed == 30, "all others are answered")
    _, two = start("two")
    before = len(upstream.requests)
    gateway.process.kill()
    gateway.wait()
    upstream.release.set()
    done = ended(two, made.id)
    assert done.status == "completed" and done.request_counts.total == 31
    answers = lines_of(two, done.output_file_id)
    assert sorted(answer["custom_id"] for answer in answers) == sorted(line["custom_id"] for line in asked)
    again = [seen["body"]["model"] for seen in upstream.requests[before:]]
    assert again == ["held"], "what was answered is not asked again"
    [[left]] = postgres.ask(f"SELECT COUNT(*) FROM kept_answers WHERE batch_id = '{made.id}'")
    assert left == "0"


def test_an_instance_that_stops_leaves_its_batches_at_once(start, upstream):
    gateway, one = start("one")
    upstream.holding.clear()
    upstream.release.clear()
    made = begun(one, [line(f"held-{n}", "held") for n in range(20)])
    assert upstream.holding.wait(30)
    _, two = start("two")
    gateway.process.terminate()
    time.sleep(0.5)
    upstream.release.set()
    gateway.wait()
    began = time.monotonic()
    done = ended(two, made.id)
    assert (done.status, done.request_counts.completed) == ("completed", 20)
    assert time.monotonic() - began < 12, "sooner than its lease would have ended"
    assert len({answer["custom_id"] for answer in lines_of(two, done.output_file_id)}) == 20


def test_a_conversation_goes_on_at_the_other_instance(start):
    (_, one), (_, two) = start("one"), start("two")
    previous, clients = None, [one, two, two, one]
    for n, client in enumerate(clients):
        previous = client.responses.create(model="claude", input=f"turn {n}", previous_response_id=previous)
        assert previous.output_text == f"You said: turn {n}"
        previous = previous.id
    items = list(two.responses.input_items.list(previous, order="asc"))
    assert len(items) == 7, "all that was said before the last answer"
    stream = two.responses.create(model="claude", input="streamed", previous_response_id=previous, stream=True)
    streamed = [event for event in stream][-1].response.id
    assert one.responses.retrieve(streamed).output_text.strip() == "You said: streamed"
    one.responses.delete(streamed)
    for client in (two, one):
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(streamed)


def test_files_end_when_they_were_asked_to(start, postgres):
    (_, one), (_, two) = start("one"), start("two")
    until_then = {"anchor": "created_at", "seconds": 3600}
    made = one.files.create(file=("a.txt", b"abc"), purpose="user_data", expires_after=until_then, extra_body=HERE)
    assert made.expires_at == made.created_at + 3600
    assert two.files.content(made.id).text == "abc"
    postgres.ask(f"UPDATE kept_files SET expires_at = created_at WHERE id = '{made.id}'")
    with pytest.raises(openai.NotFoundError):
        two.files.retrieve(made.id)
    for wrong in ({"anchor": "created_at", "seconds": 59}, {"anchor": "last_used_at", "seconds": 3600}):
        with pytest.raises(openai.BadRequestError, match="expires_after"):
            one.files.create(file=("a.txt", b"abc"), purpose="user_data", expires_after=wrong, extra_body=HERE)


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads a process's memory from /proc")
@pytest.mark.parametrize("place", ["postgres", "sqlite"])
def test_long_files_are_kept_without_being_in_memory(start, tmp_path, place):
    size = 200 << 20
    fresh, client = start("one") if place == "postgres" else start("one", str(tmp_path / "one.db"))
    client.files.create(file=("a.txt", b"x"), purpose="user_data", extra_body=HERE)
    idle = high_water(fresh.process)
    path = "/v1/files?custom_llm_provider=local"
    made = endless_upload(fresh, path, size)
    assert made["bytes"] == size and made["id"].startswith("file-local-")
    total = 0
    with client.files.with_streaming_response.content(made["id"]) as reply:
        for piece in reply.iter_bytes(1 << 20):
            total += len(piece)
    assert total == size
    assert high_water(fresh.process) - idle < 60 << 20
    refused = endless_upload(fresh, path, size)
    assert refused["error"]["code"] == "413" and "no room" in refused["error"]["message"], refused
    assert client.files.delete(made["id"]).deleted
    assert client.files.create(file=("a.txt", b"x" * (60 << 20)), purpose="user_data", extra_body=HERE).bytes == 60 << 20


def test_a_database_that_is_away_is_an_error_and_no_answer(start, postgres):
    gateway, client = start("one")
    file = client.files.create(file=("a.txt", b"abc"), purpose="user_data", extra_body=HERE)
    made = client.responses.create(model="claude", input="One")
    client.responses.retrieve(made.id)
    postgres.kill()
    try:
        for path in (f"/v1/files/{file.id}", f"/v1/files/{file.id}/content", f"/v1/responses/{made.id}"):
            reply = httpx.get(f"{gateway.url}{path}", headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
            assert reply.status_code == 503, (path, reply.text)
    finally:
        postgres.start()
    until(lambda: httpx.get(f"{gateway.url}/health/readiness", timeout=30).status_code == 200, "it is back")
    assert client.files.content(file.id).text == "abc"
    assert json.loads(client.responses.retrieve(made.id).to_json())["id"] == made.id
