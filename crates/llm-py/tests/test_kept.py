"""Files, batches, responses, videos and training jobs: by name, by id, over a router."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import interlingua
import pytest
from conftest import Asked, Reply, Upstream

FILE = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch"}
BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "validating",
    "created_at": 1,
    "request_counts": {"total": 2, "completed": 0, "failed": 0},
}
VIDEO = {"id": "video_1", "object": "video", "status": "queued", "model": "sora-2", "created_at": 1}
JOB = {"id": "ftjob-1", "object": "fine_tuning.job", "model": "m", "status": "queued", "training_file": "file-1"}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-4o", "output": []}


@pytest.fixture
def at(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """The loopback vendor in OpenAI's place."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{upstream.url}/v1")

    def answer(asked: Asked) -> Reply:
        path = asked.path.partition("?")[0].removeprefix("/v1/")
        if path.endswith("/content"):
            return Reply(raw=b"\0bytes" * 50_000)
        kind = path.split("/")[0]
        thing: dict[str, Any] = {"files": FILE, "batches": BATCH, "videos": VIDEO, "responses": RESPONSE, "fine_tuning": JOB}[kind]
        if asked.method == "DELETE":
            return Reply(json={"id": thing["id"], "object": thing["object"], "deleted": True})
        is_list = path.endswith(("input_items", "events")) or path in ("files", "batches", "videos", "fine_tuning/jobs")
        if asked.method == "GET" and is_list:
            return Reply(json={"object": "list", "data": [thing], "has_more": False})
        return Reply(json=thing)

    upstream.answer = answer
    return upstream


def test_a_batch_as_it_is_printed(at: Upstream) -> None:
    file = interlingua.create_file(file=b"{}\n", purpose="batch", custom_llm_provider="openai")
    assert (file.id, file.filename, at.last.path) == ("file-1", "a", "/v1/files")
    assert at.last.headers["authorization"] == "Bearer sk-test"
    assert b'name="purpose"\r\n\r\nbatch\r\n' in at.last.body and b"custom_llm_provider" not in at.last.body
    batch = interlingua.create_batch(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id, custom_llm_provider="openai"
    )
    assert at.last.body == {"completion_window": "24h", "endpoint": "/v1/chat/completions", "input_file_id": "file-1"}
    assert batch.request_counts.total == 2 and batch.output_file_id is None
    assert interlingua.retrieve_batch(batch_id=batch.id, custom_llm_provider="openai").status == "validating"
    assert [one.id for one in interlingua.list_batches(limit=2, after="batch_0")] == ["batch_1"]
    assert at.last.path == "/v1/batches?after=batch_0&limit=2"
    assert interlingua.cancel_batch(batch_id=batch.id).id == "batch_1"
    assert (at.last.method, at.last.path) == ("POST", "/v1/batches/batch_1/cancel")


@pytest.mark.parametrize("given", ["bytes", "path", "open", "tuple"])
def test_files_in_every_shape(at: Upstream, tmp_path: pathlib.Path, given: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"contents")
    if given == "open":
        with path.open("rb") as file:
            interlingua.create_file(file, "batch")
    else:
        interlingua.create_file({"bytes": b"contents", "path": path, "tuple": ("x.txt", b"contents", "text/x")}[given], "batch")
    assert b"contents" in at.last.body
    name = {"bytes": b"file", "path": b"in.jsonl", "open": b"in.jsonl", "tuple": b"x.txt"}[given]
    assert b'filename="' + name + b'"' in at.last.body


def test_a_file_that_is_none(at: Upstream) -> None:
    with pytest.raises(interlingua.BadRequestError, match="'file' must be bytes"):
        interlingua.create_file(7, "batch")  # type: ignore[arg-type]
    with pytest.raises(interlingua.BadRequestError, match="cannot be read"):
        interlingua.create_file("/no/such/file", "batch")
    assert not at.asked


def test_contents(at: Upstream, tmp_path: pathlib.Path) -> None:
    data = b"\0bytes" * 50_000
    answer = interlingua.file_content("file-1")
    assert answer.content == data == answer.read() == b"".join(answer.iter_bytes(1000))
    answer.stream_to_file(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert b"".join(interlingua.file_content("file-1", stream=True)) == data
    assert asyncio.run(interlingua.afile_content("file-1")).content == data
    assert interlingua.video_content("video_1") == data


def test_files_by_id(at: Upstream) -> None:
    assert interlingua.file_retrieve("file-1").bytes == 3
    assert interlingua.file_delete("file-1").deleted is True
    page = interlingua.file_list(purpose="batch")
    assert (page[0].id, len(page), page.data[0].id) == ("file-1", 1, "file-1")
    assert at.last.path == "/v1/files?purpose=batch"


def test_responses_by_id(at: Upstream) -> None:
    assert interlingua.get_responses(response_id="resp_1").status == "completed"
    assert interlingua.delete_responses("resp_1").deleted
    assert interlingua.cancel_responses("resp_1").id == "resp_1"
    assert len(interlingua.list_input_items("resp_1", include=["a", "b"])) == 1
    assert at.last.path == "/v1/responses/resp_1/input_items?include=a&include=b&limit=20&order=desc"
    interlingua.compact_responses(input="Hi", model="openai/gpt-4o")
    assert at.last.body == {"input": "Hi", "model": "gpt-4o"} and at.last.path == "/v1/responses/compact"


def test_a_response_is_streamed_again(at: Upstream) -> None:
    delta = {"type": "response.output_text.delta", "sequence_number": 4, "delta": "Hello!", "item_id": "msg_1"}
    done = {"type": "response.completed", "sequence_number": 5, "response": RESPONSE}
    told = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in (delta, done)]
    at.answer = lambda asked: Reply(frames=told)
    events = list(interlingua.get_responses("resp_1", stream=True, starting_after=3))
    assert [event.type for event in events] == ["response.output_text.delta", "response.completed"]
    assert at.last.path == "/v1/responses/resp_1?stream=true&starting_after=3"

    async def later() -> list[str]:
        return [event.type async for event in await interlingua.aget_responses("resp_1", stream=True)]

    assert asyncio.run(later()) == ["response.output_text.delta", "response.completed"]


def test_a_video_s_id_says_who_has_it(at: Upstream) -> None:
    made = interlingua.video_generation(model="sora/sora-1080p", prompt="A cat", seconds=4, size="512x512")
    assert at.last.body == {"model": "sora-1080p", "prompt": "A cat", "seconds": "4", "size": "512x512"}
    assert made.id.startswith("video_") and made.id != "video_1"
    assert interlingua.video_status(video_id=made.id).id.startswith("video_")
    assert at.last.path == "/v1/videos/video_1"
    interlingua.video_content(video_id=made.id, variant="thumbnail")
    assert at.last.path == "/v1/videos/video_1/content?variant=thumbnail"
    interlingua.video_remix(made.id, "A dog")
    assert at.last.path == "/v1/videos/video_1/remix" and at.last.body["prompt"] == "A dog"
    assert interlingua.video_list(limit=1)[0].id.startswith("video_")
    interlingua.video_generation("A cat", input_reference=b"png")
    assert b'name="input_reference"' in at.last.body and b"sora-2" in at.last.body


def test_training(at: Upstream) -> None:
    job = interlingua.create_fine_tuning_job(model="gpt-4o-mini", training_file="file-1", hyperparameters={})
    assert at.last.body == {"model": "gpt-4o-mini", "training_file": "file-1"} and at.last.path == "/v1/fine_tuning/jobs"
    assert interlingua.retrieve_fine_tuning_job(job.id).status == "queued"
    assert interlingua.cancel_fine_tuning_job(job.id).id == "ftjob-1"
    assert len(interlingua.list_fine_tuning_jobs(limit=3)) == 1
    assert at.last.path == "/v1/fine_tuning/jobs?limit=3"


def test_every_function_has_a_twin() -> None:
    from interlingua import _kept

    names = [name for name in vars(_kept) if inspect.iscoroutinefunction(getattr(_kept, name))]
    assert len(names) == 25
    for name in names:
        twin = getattr(interlingua, name[1:])
        assert inspect.signature(twin) == inspect.signature(getattr(interlingua, name)), name


def test_in_a_loop(at: Upstream) -> None:
    async def run() -> tuple[Any, Any]:
        file = await interlingua.acreate_file(file=b"x", purpose="batch")
        return file, await interlingua.aretrieve_batch("batch_1")

    file, batch = asyncio.run(run())
    assert (file.id, batch.id) == ("file-1", "batch_1")


def test_over_a_router(at: Upstream) -> None:
    params = {"model": "openai/gpt-4o", "api_key": "sk-routed", "api_base": f"{at.url}/v1"}
    router = interlingua.Router(model_list=[{"model_name": "mine", "litellm_params": params}])
    file = router.create_file(file=b"x", purpose="batch", model="mine")
    assert file.id != "file-1" and at.last.headers["authorization"] == "Bearer sk-routed"
    batch = asyncio.run(
        router.acreate_batch(completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id, custom_llm_provider="openai")
    )
    assert at.last.body == {"completion_window": "24h", "endpoint": "/v1/chat/completions", "input_file_id": "file-1"}
    assert router.retrieve_batch(batch_id=batch.id).input_file_id == file.id
    assert at.last.path == "/v1/batches/batch_1"


def test_the_module_s_own_key(at: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interlingua, "openai_key", "sk-module")
    interlingua.file_retrieve("file-1")
    assert at.last.headers["authorization"] == "Bearer sk-module"


def test_a_video_as_it_is_printed(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSLAB_API_KEY", "key")
    monkeypatch.setenv("MODELSLAB_API_BASE", f"{upstream.url}/api/v6")

    def answer(asked: Asked) -> Reply:
        if asked.path == "/film.mp4":
            return Reply(raw=b"film")
        if asked.path.endswith("/text2video"):
            return Reply(json={"status": "processing", "id": 7, "output": []})
        return Reply(json={"status": "success", "id": 7, "output": [f"{upstream.url}/film.mp4"]})

    upstream.answer = answer
    video = interlingua.video_generation(model="modelslab/text-to-video", prompt="A cat", seconds=4, size="512x512")
    assert video.status == "in_progress" and upstream.last.body["num_frames"] == 32
    assert upstream.last.body["key"] == "key" and upstream.last.body["height"] == 512
    assert interlingua.video_status(video_id=video.id).status == "completed"
    assert upstream.last.path == "/api/v6/video/fetch/7"
    assert interlingua.video_content(video_id=video.id) == b"film"
    with pytest.raises(interlingua.BadRequestError, match="video_remix"):
        interlingua.video_remix(video.id, "A dog")


def test_a_video_is_charged_when_it_is_ordered(at: Upstream) -> None:
    made = interlingua.video_generation(model="openai/sora-2", prompt="A cat", seconds=4)
    assert made._hidden_params["response_cost"] == pytest.approx(0.4)
    assert not interlingua.video_status(video_id=made.id)._hidden_params["response_cost"]


def test_bytes_are_taken_as_they_come(at: Upstream, tmp_path: pathlib.Path) -> None:
    whole = interlingua.file_content("file-1", custom_llm_provider="openai")
    assert whole.content == whole.read() == b"\0bytes" * 50_000
    taken = interlingua.file_content("file-1", custom_llm_provider="openai")
    taken.stream_to_file(tmp_path / "bytes")
    assert (tmp_path / "bytes").read_bytes() == whole.content
    with pytest.raises(RuntimeError, match="piece by piece"):
        taken.read()
    pieces = interlingua.file_content("file-1", custom_llm_provider="openai").iter_bytes(1000)
    assert all(len(piece) <= 1000 for piece in pieces)


PROGRAM = """
import json, time
import interlingua

line = {"custom_id": "a", "url": "/v1/chat/completions", "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}}
file = interlingua.create_file(file=json.dumps(line).encode(), purpose="batch", custom_llm_provider="local")
batch = interlingua.create_batch("24h", "/v1/chat/completions", file.id, custom_llm_provider="local")
while interlingua.retrieve_batch(batch.id).status not in ("completed", "failed"):
    time.sleep(0.05)
answers = interlingua.file_content(interlingua.retrieve_batch(batch.id).output_file_id).json()
print(answers["custom_id"], answers["response"]["body"]["choices"][0]["message"]["content"])
"""


def test_a_program_s_own_batches(upstream: Upstream, tmp_path: pathlib.Path) -> None:
    environment = {
        **os.environ,
        "INTERLINGUA_DATA_FOLDER": str(tmp_path),
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
    }
    command = [sys.executable, "-c", PROGRAM]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert ran.stdout.strip() == "a Hello!", ran.stderr
