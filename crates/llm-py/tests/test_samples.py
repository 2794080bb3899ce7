"""Programs as people write them: chains of calls, jobs that are asked after until they are done, every vendor by its name."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from conftest import Asked, Reply, Upstream, chat

import interlingua
from interlingua import (
    aembedding,
    aimage_generation,
    aspeech,
    completion,
    create_batch,
    create_file,
    embedding,
    file_content,
    image_edit,
    image_generation,
    rerank,
    responses,
    retrieve_batch,
    speech,
    text_completion,
    transcription,
    video_content,
    video_generation,
    video_status,
)

SOUND = b"ID3" + bytes(range(256))
PICTURES = {
    "created": 1700000000,
    "data": [{"url": "https://images.example.com/1.png", "revised_prompt": "A cat"}],
    "usage": {"input_tokens": 100, "output_tokens": 1000, "total_tokens": 1100},
}


def vectors(asked: Asked) -> dict[str, Any]:
    texts = asked.body["input"]
    data = [{"object": "embedding", "index": i, "embedding": [1.0, float(i)]} for i in range(len(texts))]
    return {"object": "list", "data": data, "model": asked.body["model"], "usage": {"prompt_tokens": 4, "total_tokens": 4}}


class Jobs:
    """What takes its time: each look at it finds it one step further."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def state(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@pytest.fixture
def world(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """All vendors at one address, known by the paths of their calls."""
    keys = {
        "OPENAI_API_KEY": "sk-openai",
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
        "COHERE_API_KEY": "sk-cohere",
        "COHERE_API_BASE": upstream.url,
        "ELEVENLABS_API_KEY": "sk-eleven",
        "ELEVENLABS_API_BASE": upstream.url,
        "FAL_AI_API_KEY": "sk-fal",
        "FAL_AI_API_BASE": upstream.url,
        "MODELSLAB_API_KEY": "sk-modelslab",
        "MODELSLAB_API_BASE": f"{upstream.url}/api/v6",
        "STABILITY_API_KEY": "sk-stability",
        "STABILITY_API_BASE": upstream.url,
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION_NAME": "us-east-1",
        "VERTEXAI_PROJECT": "p",
        "VERTEXAI_LOCATION": "us-central1",
    }
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    batch, video = Jobs("validating", "in_progress", "completed"), Jobs("queued", "in_progress", "completed")

    def answer(asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        if path.endswith("/embeddings"):
            return Reply(json=vectors(asked))
        if path.endswith("/rerank"):
            results = [{"index": 2, "relevance_score": 0.97}, {"index": 0, "relevance_score": 0.31}]
            return Reply(json={"id": "r", "results": results, "meta": {"billed_units": {"search_units": 1}}})
        if path.endswith("/transcriptions") or "speech-to-text" in path:
            return Reply(json={"text": "Draw a lighthouse.", "language_code": "eng", "words": []})
        if path.endswith(("/images/generations", "/images/edits")):
            return Reply(json=PICTURES)
        if path.endswith("/audio/speech"):
            return Reply(raw=SOUND, content_type="audio/mpeg")
        if path.endswith("/files"):
            return Reply(json={"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch"})
        if path.endswith("/content"):
            return Reply(raw=b"{}\n" if "/files/" in path else b"\0film")
        if "/batches" in path:
            state = batch.state()
            done = {"output_file_id": "file-2"} if state == "completed" else {}
            return Reply(json={"id": "batch_1", "object": "batch", "status": state, "input_file_id": "file-1", "created_at": 1, **done})
        if path.endswith("/text2video"):
            return Reply(json={"status": "processing", "id": 7, "output": []})
        if "/video/fetch" in path:
            return Reply(json={"status": "success", "id": 7, "output": [f"{upstream.url}/film.mp4"]})
        if path == "/film.mp4":
            return Reply(raw=b"\0film", content_type="video/mp4")
        if "/videos" in path:
            return Reply(json={"id": "video_1", "object": "video", "status": video.state(), "model": "sora-1080p", "created_at": 1})
        if path.endswith("/completions") and "chat" not in path:
            choice = {"text": " in a time", "index": 0, "finish_reason": "stop", "logprobs": None}
            return Reply(json={"id": "c", "object": "text_completion", "created": 1, "model": "gpt-3.5-turbo-instruct", "choices": [choice]})
        if path.endswith("/responses"):
            part = {"type": "output_text", "text": "Found it.", "annotations": []}
            items = [
                {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
                {"type": "message", "id": "m_1", "role": "assistant", "status": "completed", "content": [part]},
            ]
            return Reply(json={"id": "resp_1", "object": "response", "status": "completed", "model": asked.body["model"], "output": items})
        return Reply(json=chat("The cat sat on the mat."))

    upstream.answer = answer
    return upstream


def test_retrieval_and_an_answer_from_it(world: Upstream) -> None:
    documents = ["Dogs bark.", "Fish swim.", "Cats sleep."]
    found = embedding(model="text-embedding-3-small", input=documents, encoding_format="float")
    assert [item["embedding"] for item in found.data] == [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]
    ranked = rerank(model="cohere/rerank-english-v3.0", query="What do cats do?", documents=documents, top_n=2)
    best = [documents[result.index] for result in ranked.results if result.relevance_score > 0.5]
    assert best == ["Cats sleep."] == [ranked.documents[ranked.results[0]["index"]]]
    context = "\n".join(best)
    messages = [{"role": "user", "content": f"Context: {context}\n\nWhat do cats do?"}]
    response = completion(model="openai/gpt-4o", messages=messages)
    assert response.choices[0].message.content == "The cat sat on the mat."
    assert "Cats sleep." in world.last.body["messages"][0]["content"]


def test_from_speech_to_a_picture_and_back_to_speech(world: Upstream) -> None:
    heard = transcription(model="whisper-1", file=("a.wav", b"RIFF"), language="zh", response_format="json", temperature=0.0)
    told = completion(model="openai/gpt-4o", messages=[{"role": "user", "content": heard.text}])
    picture = image_generation(
        model="dall-e-3", prompt=told.choices[0].message.content, n=1, size="1024x1024", quality="hd", style="vivid"
    )
    assert picture.data[0].url == "https://images.example.com/1.png"
    assert world.last.body["prompt"] == "The cat sat on the mat."
    spoken = speech(model="tts-1", input="Here it is.", voice="alloy", response_format="mp3", speed=1.0)
    assert spoken.content == SOUND
    assert [asked.path.rpartition("/v1")[2] for asked in world.asked] == [
        "/audio/transcriptions",
        "/chat/completions",
        "/images/generations",
        "/audio/speech",
    ]


def test_a_batch_is_asked_after_until_it_is_done(world: Upstream) -> None:
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o-mini", "messages": []}}
    file = create_file(file=json.dumps(line).encode(), purpose="batch", custom_llm_provider="openai")
    batch = create_batch(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id=file.id, custom_llm_provider="openai"
    )
    seen = [batch.status]
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        batch = retrieve_batch(batch_id=batch.id, custom_llm_provider="openai")
        seen.append(batch.status)
    assert seen == ["validating", "in_progress", "completed"]
    assert file_content(file_id=batch.output_file_id, custom_llm_provider="openai").content == b"{}\n"


@pytest.mark.parametrize("model", ["sora/sora-1080p", "modelslab/text-to-video"])
def test_a_video_is_asked_after_until_it_is_done(world: Upstream, model: str) -> None:
    video = video_generation(model=model, prompt="A cat on a mat", seconds=4, size="512x512")
    status = video_status(video_id=video.id)
    while status.status not in ("completed", "failed"):
        status = video_status(video_id=video.id)
    assert status.status == "completed"
    content: Any = video_content(video_id=video.id)
    assert bytes(getattr(content, "content", content)) == b"\0film"


def test_research_with_the_vendors_tools(world: Upstream) -> None:
    tools = [{"type": "web_search_preview"}, {"type": "code_interpreter", "container": {"type": "auto"}}]
    answer = responses(model="openai/o3-deep-research-2025-06-26", input="How old is the web?", tools=tools)
    assert answer.output[1].content[0].text == "Found it."
    assert world.last.body == {"model": "o3-deep-research-2025-06-26", "input": "How old is the web?", "tools": tools}


def test_a_prompt_goes_on(world: Upstream) -> None:
    answer = text_completion(model="gpt-3.5-turbo-instruct", prompt="Once upon", max_tokens=500, temperature=0.3)
    assert answer.choices[0].text == " in a time"


def test_recordings_of_every_vendor(world: Upstream) -> None:
    assert transcription(model="gpt-4o-transcribe", file=("a.wav", b"RIFF")).text == "Draw a lighthouse."
    azure = {"api_version": "2024-06-01", "api_base": world.url, "api_key": "k"}
    assert transcription(model="azure/azure-whisper", file=("a.wav", b"RIFF"), **azure).text == "Draw a lighthouse."
    assert world.last.path == "/openai/deployments/azure-whisper/audio/transcriptions?api-version=2024-06-01"
    assert transcription(model="elevenlabs/scribe_v1", file=("a.wav", b"RIFF")).text == "Draw a lighthouse."
    assert world.last.headers["xi-api-key"] == "sk-eleven"


def test_speech_of_every_kind(world: Upstream) -> None:
    assert speech(model="azure/tts-1-hd", input="Hi", voice="alloy", api_base=world.url, api_key="k").content == SOUND
    assert asyncio.run(aspeech(model="tts-1", input="Hello")).content == SOUND


def test_pictures_of_every_vendor(world: Upstream) -> None:
    assert asyncio.run(aimage_generation(model="dall-e-3", prompt="A cat")).data[0].url
    usual = world.answer
    world.answer = lambda asked: Reply(json={"images": [{"url": "https://fal.example.com/1.png"}]})
    assert image_generation(model="fal_ai/flux/dev", prompt="A cat").data[0].url == "https://fal.example.com/1.png"
    world.answer = lambda asked: Reply(json={"artifacts": [{"base64": "QUI=", "finishReason": "SUCCESS", "seed": 1}]})
    assert image_generation(model="stability/stable-diffusion-xl-1024-v1-0", prompt="A cat").data[0].b64_json == "QUI="
    world.answer = lambda asked: Reply(json={"predictions": [{"bytesBase64Encoded": "QUI=", "mimeType": "image/png"}]})
    drawn = image_generation(
        model="vertex_ai/imagegeneration@006",
        prompt="A cat",
        vertex_ai_project="mine",
        vertex_ai_location="us-central1",
        api_base=world.url,
        api_key="ya29.token",
    )
    assert drawn.data[0].b64_json == "QUI="
    world.answer = usual
    edited = image_edit(model="dall-e-2", image=b"\x89PNG", mask=b"\x89PNG", prompt="A hat", n=1, size="1024x1024")
    assert edited.data[0].url and world.last.path == "/v1/images/edits"


def test_vectors_of_every_vendor(world: Upstream) -> None:
    assert len(asyncio.run(aembedding(model="text-embedding-3-small", input=["a"], dimensions=1536)).data) == 1
    assert world.last.body["dimensions"] == 1536
    usual = world.answer
    world.answer = lambda asked: Reply(json={"id": "e", "embeddings": {"float": [[0.5]]}, "meta": {"billed_units": {"input_tokens": 1}}})
    made = embedding(model="cohere/embed-multilingual-v3.0", input=["a"], input_type="search_document")
    assert made.data[0]["embedding"] == [0.5] and world.last.body["input_type"] == "search_document"
    world.answer = lambda asked: Reply(json={"embedding": [0.25], "inputTextTokenCount": 2})
    made = embedding(model="bedrock/amazon.titan-embed-text-v1", input=["a"], api_base=world.url)
    assert made.data[0]["embedding"] == [0.25] and world.last.body["inputText"] == "a"
    world.answer = lambda asked: Reply(json={"predictions": [{"imageEmbedding": [0.75]}]})
    picture = base64.b64encode(b"\x89PNG").decode()
    made = embedding(
        model="vertex_ai/multimodalembedding@001",
        input=[f"data:image/png;base64,{picture}"],
        vertex_project="mine",
        api_base=world.url,
        api_key="ya29.token",
    )
    assert made.data[0]["embedding"] == [0.75]
    assert world.last.body["instances"][0]["image"]["bytesBase64Encoded"] == picture
    world.answer = usual


def test_every_call_says_what_it_cost(world: Upstream) -> None:
    for answer in [
        embedding(model="text-embedding-3-small", input=["a"]),
        rerank(model="cohere/rerank-english-v3.0", query="q", documents=["a", "b", "c"]),
        image_generation(model="gpt-image-1-mini", prompt="A cat"),
        image_generation(model="dall-e-3", prompt="A cat"),
        speech(model="tts-1", input="Hello"),
        completion(model="openai/gpt-4o", messages=[{"role": "user", "content": "Hello"}]),
    ]:
        assert answer._hidden_params["response_cost"] > 0, answer
    assert interlingua.completion_cost(completion_response=completion(model="openai/gpt-4o", messages=[])) > 0
