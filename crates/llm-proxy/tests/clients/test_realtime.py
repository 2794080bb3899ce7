"""Realtime sessions, with the `websockets` and the `openai` packages."""

import asyncio
import json
import threading

import openai
import pytest
import websockets
from conftest import KEY, Gateway
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

CONFIG = """
model_list:
  - model_name: voice
    litellm_params: {{model: openai/gpt-realtime, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: scribe
    litellm_params: {{model: openai/gpt-4o-mini-transcribe, api_base: "{url}/v1", api_key: sk-upstream}}
general_settings:
  master_key: {key}
"""
USAGE = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20, "output_token_details": {"text_tokens": 5, "audio_tokens": 15}}


async def session(socket):
    await socket.send(json.dumps({"type": "session.created", "event_id": "e0", "session": {"type": "realtime"}}))
    async for text in socket:
        event = json.loads(text)
        if event["type"] == "response.create":
            for kind, more in [
                ("response.created", {"response": {"id": "r1"}}),
                ("response.output_text.delta", {"delta": "Hello", "response_id": "r1"}),
                ("response.done", {"response": {"id": "r1", "status": "completed", "usage": USAGE}}),
            ]:
                await socket.send(json.dumps({"type": kind, "event_id": "e1", **more}))
        elif event["type"] == "session.update":
            await socket.send(json.dumps({**event, "type": "session.updated", "event_id": "e2"}))
        elif event["type"] == "input_audio_buffer.commit":
            usage = {"type": "tokens", "total_tokens": 14, "input_tokens": 10, "output_tokens": 4}
            item = {"item_id": "item_1", "content_index": 0, "transcript": "Hello", "usage": usage}
            await socket.send(json.dumps({"type": "conversation.item.input_audio_transcription.completed", "event_id": "e3", **item}))
        elif event["type"] == "test.close":
            return await socket.close(4001, "enough")


@pytest.fixture(scope="module")
def url():
    """A loopback vendor."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    found = []

    async def run():
        async with serve(session, "127.0.0.1", 0) as server:
            found.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            ready.set()
            await asyncio.get_running_loop().create_future()

    threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True).start()
    assert ready.wait(timeout=60)
    return found[0]


@pytest.fixture(scope="module")
def voices(url, tmp_path_factory):
    config = tmp_path_factory.mktemp("voices") / "config.yaml"
    config.write_text(CONFIG.format(url=url, key=KEY))
    running = Gateway(["--config", str(config)])
    yield running
    assert running.stop() == 0


def address(gateway):
    return gateway.url.replace("http", "ws") + "/v1/realtime?model=voice"


def test_the_openai_package(voices):
    async def run():
        client = openai.AsyncOpenAI(api_key=KEY, base_url=voices.url + "/v1")
        seen = []
        async with client.realtime.connect(model="voice") as live:
            async for event in live:
                seen.append(event.type)
                if event.type == "session.created":
                    await live.response.create()
                if event.type == "response.done":
                    assert event.response.usage.total_tokens == 30
                    break
        return seen

    assert asyncio.run(run()) == ["session.created", "response.created", "response.output_text.delta", "response.done"]


def test_what_is_said_is_written_down(voices):
    async def run():
        client = openai.AsyncOpenAI(api_key=KEY, base_url=voices.url + "/v1")
        async with client.realtime.connect(model="scribe", extra_query={"intent": "transcription"}) as live:
            async for event in live:
                if event.type == "session.created":
                    await live.session.update(session={"type": "transcription"})
                if event.type == "session.updated":
                    assert event.session.audio.input.transcription.model == "gpt-4o-mini-transcribe"
                    await live.input_audio_buffer.append(audio="AAAA")
                    await live.input_audio_buffer.commit()
                if event.type == "conversation.item.input_audio_transcription.completed":
                    return event.transcript

    assert asyncio.run(run()) == "Hello"


def test_a_browsers_key_and_a_vendors_goodbye(voices):
    async def run():
        protocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
        async with connect(address(voices), subprotocols=protocols) as socket:
            assert socket.subprotocol == "realtime"
            await socket.recv()
            await socket.send(json.dumps({"type": "test.close"}))
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
            return closed.value.rcvd.code, closed.value.rcvd.reason

    assert asyncio.run(run()) == (4001, "enough")


def test_a_wrong_key_is_refused(voices):
    async def run():
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with connect(address(voices), additional_headers={"Authorization": "Bearer sk-other"}):
                pass
        return refused.value.response.status_code

    assert asyncio.run(run()) == 403
