"""What vendors keep, by the `openai` package: files, batches, videos, responses and training jobs, under sealed ids."""

import http.client
import io
import json
import pathlib
import subprocess

import httpx
import openai
import pytest
from conftest import KEY, Gateway
from keeper import Keeper

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream}}
    model_info: {{id: first}}
  - model_name: sora-2
    litellm_params: {{model: openai/sora-2, api_base: "{url}/v1", api_key: sk-upstream}}
    model_info: {{id: films}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{url}", api_key: sk-ant-upstream}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}
general_settings: {{master_key: {key}}}
"""
LINES = "".join(
    json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o", "messages": []}}) + "\n"
    for name in ("a", "b")
).encode()


@pytest.fixture(scope="module")
def keeper():
    server = Keeper()
    yield server
    server.close()


def started(keeper, folder, key=KEY):
    config = folder / f"{key}.yaml"
    config.write_text(CONFIG.format(url=keeper.url, key=key))
    return Gateway(["--config", str(config)])


@pytest.fixture(scope="module")
def gateway(keeper, tmp_path_factory):
    running = started(keeper, tmp_path_factory.mktemp("kept"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway):
    return openai.OpenAI(api_key=KEY, base_url=gateway.url, max_retries=0)


@pytest.mark.parametrize("size", [100, 3 << 20])
def test_a_file_s_life(client, keeper, size):
    data = b"{}\n" * (size // 3)
    made = client.files.create(file=("in.jsonl", data), purpose="batch")
    seen = keeper.last()
    assert seen["path"] == "/v1/files" and seen["headers"]["authorization"] == "Bearer sk-upstream"
    assert seen["body"]["file"]["filename"] == "in.jsonl" and seen["body"]["file"]["bytes"] == data
    assert seen["body"]["purpose"] == "batch" and set(seen["body"]) == {"file", "purpose"}
    assert made.id.startswith("file-") and made.id not in keeper.kept["files"] and made.bytes == len(data)
    assert client.files.retrieve(made.id).id == made.id
    assert client.files.content(made.id).read() == data
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_pages(client, keeper):
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose="user_data").id for n in range(5)]
    page = client.files.list(limit=2)
    assert [file.id for file in page.data] == made[:2:-1]
    assert page.has_next_page()
    assert [file.id for file in client.files.list(limit=2)][:5] == made[::-1]
    assert "limit=2" in keeper.last()["path"] and "after=file-0" in keeper.last()["path"]


def test_a_batch_to_its_end(client, keeper):
    file = client.files.create(file=("in.jsonl", LINES), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"})
    assert keeper.last()["body"]["input_file_id"] in keeper.kept["files"]
    assert keeper.last()["body"]["metadata"] == {"a": "b"}
    assert batch.input_file_id == file.id and batch.status == "validating"
    statuses = []
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
        statuses.append(batch.status)
        assert len(statuses) < 9
    assert statuses == ["validating", "in_progress", "completed"]
    assert batch.request_counts.completed == 2
    out = client.files.content(batch.output_file_id).text
    assert [json.loads(line)["custom_id"] for line in out.splitlines()] == ["a", "b"]
    assert batch.id in [known.id for known in client.batches.list(limit=100)]


def test_a_batch_is_cancelled(client):
    file = client.files.create(file=("in.jsonl", LINES), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert client.batches.retrieve(batch.id).status == "cancelled"


def test_forged_ids(client, keeper):
    made = client.files.create(file=("a.txt", b"x"), purpose="user_data").id
    before = len(keeper.requests)
    middle = len(made) // 2
    forged = made[:middle] + ("A" if made[middle] != "A" else "B") + made[middle + 1 :]
    for id in (forged, made[:20], "file-../../x"):
        with pytest.raises((openai.NotFoundError, openai.BadRequestError)) as caught:
            client.files.retrieve(id)
        assert caught.value.status_code in (400, 404)
    assert all(made not in seen["path"] and "../" not in seen["path"] for seen in keeper.requests[before:])
    assert client.files.retrieve(made).id == made


def test_ids_hold_at_another_gateway_with_the_same_key_and_at_no_other(client, keeper, tmp_path):
    made = client.files.create(file=("a.txt", b"x"), purpose="user_data").id
    for key, known in ((KEY, True), ("sk-quite-another-master-key", False)):
        other = started(keeper, tmp_path, key)
        theirs = openai.OpenAI(api_key=key, base_url=other.url, max_retries=0)
        before = len(keeper.requests)
        if known:
            assert theirs.files.retrieve(made).filename == "a.txt"
        else:
            with pytest.raises(openai.NotFoundError):
                theirs.files.retrieve(made)
            assert len(keeper.requests) == before
        assert other.stop() == 0


def test_the_vendor_is_named(client, keeper):
    by_query = client.files.create(file=("a.txt", b"x"), purpose="user_data", extra_query={"custom_llm_provider": "openai"})
    by_body = client.files.create(file=("a.txt", b"x"), purpose="user_data", extra_body={"custom_llm_provider": "openai"})
    assert by_query.id.startswith("file-") and by_body.id.startswith("file-")
    assert "custom_llm_provider" not in keeper.last()["body"] and "custom_llm_provider" not in keeper.last()["path"]
    with pytest.raises(openai.BadRequestError, match="no deployment of 'groq' can do create_file"):
        client.files.create(file=("a.txt", b"x"), purpose="batch", extra_body={"custom_llm_provider": "groq"})


def test_what_is_missing_is_named(gateway):
    headers = {"authorization": f"Bearer {KEY}"}
    reply = httpx.post(f"{gateway.url}/v1/files", headers=headers, files={"file": ("a", b"x")})
    assert reply.status_code == 400 and reply.json()["error"]["param"] == "purpose"
    reply = httpx.post(f"{gateway.url}/v1/batches", headers=headers, json={"input_file_id": "file-1"})
    assert reply.status_code == 400 and reply.json()["error"]["param"] == "endpoint"
    assert httpx.get(f"{gateway.url}/v1/files").status_code == 401


def test_what_is_too_long_is_refused(gateway, keeper):
    before = len(keeper.requests)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.putrequest("POST", "/v1/files")
    connection.putheader("authorization", f"Bearer {KEY}")
    connection.putheader("content-type", "multipart/form-data; boundary=B")
    connection.putheader("content-length", str(2 << 30))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert len(keeper.requests) == before


def test_curl(gateway, keeper, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(LINES)
    command = ["curl", "-sS", f"{gateway.url}/v1/files", "-H", f"Authorization: Bearer {KEY}", "-F", "purpose=batch", "-F", f"file=@{path}"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert made["object"] == "file" and made["bytes"] == len(LINES)
    assert keeper.last()["body"]["file"]["bytes"] == LINES


def test_a_download_that_is_cut_short_is_no_answer(client, keeper):
    made = client.files.create(file=("a.bin", b"x" * 100_000), purpose="user_data")
    keeper.cut = list(keeper.kept["files"])[-1]
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        client.files.content(made.id).read()
    keeper.cut = None


def high_water(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


class Endless(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, size):
        self.left = size

    def readable(self):
        return True

    def readinto(self, buffer):
        count = min(self.left, len(buffer))
        buffer[:count] = b"x" * count
        self.left -= count
        return count


def endless_upload(gateway, path, size):
    head = b'--B\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--B\r\ncontent-disposition: form-data; name="file"; filename="long.bin"\r\n\r\n'

    def body():
        yield head
        file = Endless(size)
        while piece := file.read(1 << 20):
            yield piece
        yield b"\r\n--B--\r\n"

    headers = {"authorization": f"Bearer {KEY}", "content-type": "multipart/form-data; boundary=B"}
    return httpx.post(f"{gateway.url}{path}", headers=headers, content=body(), timeout=120).json()


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads a process's memory from /proc")
def test_long_files_are_never_whole_in_memory(keeper, tmp_path):
    size = 200 << 20
    fresh = started(keeper, tmp_path)
    client = openai.OpenAI(api_key=KEY, base_url=fresh.url, max_retries=0)
    client.files.create(file=("a.txt", b"x"), purpose="user_data")
    idle = high_water(fresh.process)
    made = endless_upload(fresh, "/v1/files", size)
    assert made["bytes"] > size
    total = 0
    with client.files.with_streaming_response.content(made["id"]) as reply:
        for piece in reply.iter_bytes(1 << 20):
            total += len(piece)
    assert total == made["bytes"]
    assert high_water(fresh.process) - idle < 60 << 20
    assert fresh.stop() == 0


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads a process's memory from /proc")
def test_what_passes_through_is_never_whole_in_memory(keeper, tmp_path):
    size = 200 << 20
    fresh = started(keeper, tmp_path)
    endless_upload(fresh, "/openai/files", 1)
    idle = high_water(fresh.process)
    made = endless_upload(fresh, "/openai/files", size)
    assert made["bytes"] > size and keeper.last()["path"] == "/v1/files"
    address = f"{fresh.url}/openai/files/{made['id']}/content"
    total = 0
    with httpx.stream("GET", address, headers={"authorization": f"Bearer {KEY}"}, timeout=120) as reply:
        for piece in reply.iter_bytes(1 << 20):
            total += len(piece)
    assert total == made["bytes"]
    assert high_water(fresh.process) - idle < 60 << 20
    assert fresh.stop() == 0


def test_a_vendor_in_the_path(gateway, keeper):
    headers = {"authorization": f"Bearer {KEY}"}
    made = httpx.post(f"{gateway.url}/openai/v1/files", headers=headers, data={"purpose": "batch"}, files={"file": ("a", b"x")}).json()
    assert keeper.last()["path"] == "/v1/files"
    assert httpx.get(f"{gateway.url}/sora/v1/files/{made['id']}", headers=headers).json()["id"] == made["id"]
    refused = httpx.get(f"{gateway.url}/groq/v1/batches", headers=headers)
    assert refused.status_code == 400 and "no deployment of 'groq'" in refused.text


# Responses


def test_a_response_that_its_vendor_keeps(gateway, client, keeper):
    made = client.responses.create(model="gpt-4o", input="Hello", background=True)
    assert made.id.startswith("resp_") and made.id not in keeper.kept["responses"]
    assert client.responses.retrieve(made.id).id == made.id
    items = client.responses.input_items.list(made.id, limit=5, order="asc")
    assert items.data[0].content[0].text == "Hello" and "limit=5" in keeper.last()["path"]
    assert client.responses.cancel(made.id).status == "cancelled"
    gone = httpx.delete(f"{gateway.url}/v1/responses/{made.id}", headers={"authorization": f"Bearer {KEY}"}).json()
    assert gone == {"id": made.id, "object": "response", "deleted": True}
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_response_is_streamed_again(client, keeper):
    made = client.responses.create(model="gpt-4o", input="Hello")
    events = list(client.responses.retrieve(made.id, stream=True))
    assert [event.type for event in events] == ["response.created", "response.output_text.delta", "response.completed"]
    assert events[-1].response.id == made.id
    later = list(client.responses.retrieve(made.id, stream=True, starting_after=1))
    assert [event.type for event in later] == ["response.completed"]
    assert "starting_after=1" in keeper.last()["path"]


def test_what_is_only_looked_at_costs_nothing(client):
    made = client.responses.with_raw_response.create(model="gpt-4o", input="Hello")
    assert float(made.headers["x-litellm-response-cost"]) > 0
    looked = client.responses.with_raw_response.retrieve(made.parse().id)
    assert float(looked.headers.get("x-litellm-response-cost", 0)) == 0


def test_compacted_and_counted(client, keeper):
    made = client.responses.create(model="gpt-4o", input="Hello")
    compacted = client.responses.compact(model="gpt-4o", previous_response_id=made.id)
    assert compacted.object == "response.compaction"
    assert keeper.last()["body"]["previous_response_id"] in keeper.kept["responses"]
    assert client.responses.input_tokens.count(model="gpt-4o", input="Hello").input_tokens == 11
    with pytest.raises(openai.BadRequestError):
        client.responses.compact(model="claude", input="Hello")


# Videos


@pytest.mark.parametrize("path", ["/videos", "/v1/videos", "/video/generations", "/v1/video/generations"])
def test_every_path_to_a_video(gateway, keeper, path):
    headers = {"authorization": f"Bearer {KEY}"}
    made = httpx.post(gateway.url + path, headers=headers, json={"model": "sora-2", "prompt": "A cat", "seconds": "4"}).json()
    assert made["id"].startswith("video_") and made["status"] == "queued"
    assert keeper.last()["path"] == "/v1/videos" and keeper.last()["body"] == {"model": "sora-2", "prompt": "A cat", "seconds": "4"}


def test_a_film_s_life(client, keeper):
    made = client.videos.create(model="sora-2", prompt="A cat", seconds="4", size="720x1280", input_reference=("cat.png", b"png"))
    assert keeper.last()["body"]["input_reference"]["bytes"] == b"png"
    done = client.videos.retrieve(made.id)
    assert done.id == made.id and done.status == "completed"
    assert client.videos.download_content(made.id).read() == b"\0film" * 100_000
    again = client.videos.remix(made.id, prompt="A dog")
    assert again.remixed_from_video_id == made.id and again.prompt == "A dog"
    assert {made.id, again.id} <= {video.id for video in client.videos.list(limit=50, extra_query={"model": "sora-2"})}
    assert client.videos.delete(made.id).deleted


# Training


def test_a_training_job_s_life(client, keeper):
    file = client.files.create(file=("train.jsonl", b"{}\n"), purpose="fine-tune")
    made = client.fine_tuning.jobs.create(model="gpt-4o-mini-2024-07-18", training_file=file.id, suffix="mine")
    sent = keeper.last()["body"]
    assert sent["model"] == "gpt-4o-mini-2024-07-18" and sent["training_file"] in keeper.kept["files"]
    assert made.training_file == file.id and made.id not in keeper.kept["jobs"]
    assert client.fine_tuning.jobs.retrieve(made.id).status == "queued"
    assert client.fine_tuning.jobs.pause(made.id).status == "paused"
    assert client.fine_tuning.jobs.resume(made.id).status == "queued"
    assert [event.message for event in client.fine_tuning.jobs.list_events(made.id)] == ["Made"]
    assert client.fine_tuning.jobs.cancel(made.id).status == "cancelled"
    assert made.id in [job.id for job in client.fine_tuning.jobs.list(limit=10)]


def test_a_group_s_name_stands_for_its_model(client, keeper):
    file = client.files.create(file=("train.jsonl", b"{}\n"), purpose="fine-tune")
    extra = {"custom_llm_provider": "openai"}
    client.fine_tuning.jobs.create(model="sora-2", training_file=file.id, extra_body=extra)
    assert keeper.last()["body"]["model"] == "sora-2" and "custom_llm_provider" not in keeper.last()["body"]
