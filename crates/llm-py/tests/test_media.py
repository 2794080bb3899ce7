"""Images, sound, reranking, moderation, search and text recognition."""

from __future__ import annotations

import asyncio
import io
import json
import pathlib
from email import message_from_bytes
from typing import Any

import interlingua
import pytest
from conftest import Asked, Reply, Upstream

SOUND = b"ID3" + bytes(range(256)) * 40
IMAGES = {"created": 1700000000, "data": [{"url": "https://images.example.com/1.png", "revised_prompt": "A cat"}]}


def form(asked: Asked) -> list[tuple[str, str | None, str, bytes]]:
    """A form's parts: name, file name, type, bytes."""
    head = f"content-type: {asked.headers['content-type']}\r\n\r\n".encode()
    parts = []
    for part in message_from_bytes(head + asked.raw).get_payload():
        name = part.get_param("name", header="content-disposition")
        parts.append((name, part.get_filename(), part.get_content_type(), part.get_payload(decode=True)))
    return parts


@pytest.fixture
def place(upstream: Upstream) -> dict[str, Any]:
    return {"api_base": upstream.url + "/v1", "api_key": "sk-test"}


def test_images(upstream: Upstream, place: dict[str, Any]) -> None:
    upstream.answer = lambda asked: Reply(json=IMAGES)
    made = interlingua.image_generation(
        model="dall-e-3", prompt="A cat", n=1, size="1024x1024", quality="hd", style="vivid", **place
    )
    assert made.data[0].url == made["data"][0]["url"] == "https://images.example.com/1.png"
    assert made.data[0].b64_json is None and made.created == 1700000000
    assert made._hidden_params["response_cost"] == pytest.approx(0.08)
    assert made.usage.input_tokens_details.image_tokens == 0 and made.usage.total_tokens == 0
    assert upstream.last.path == "/v1/images/generations"
    assert upstream.last.body == {
        "model": "dall-e-3", "prompt": "A cat", "n": 1, "size": "1024x1024", "quality": "hd", "style": "vivid",
    }
    again = asyncio.run(interlingua.aimage_generation("A cat", model="dall-e-3", **place))
    assert again.data[0].revised_prompt == "A cat"


def test_what_images_cost(upstream: Upstream) -> None:
    upstream.answer = lambda asked: Reply(json={"images": [{"url": "https://images.example.com/1.png"}]})
    made = interlingua.image_generation(model="fal_ai/flux/schnell", prompt="A cat", api_base=upstream.url, api_key="k")
    assert upstream.last.path == "/fal-ai/flux/schnell" and upstream.last.headers["authorization"] == "Key k"
    assert made.created > 0
    assert made._hidden_params["response_cost"] is None or made._hidden_params["response_cost"] > 0
    listed = interlingua.image_generation(
        model="fal_ai/fal-ai/flux/schnell", prompt="A cat", api_base=upstream.url, api_key="k"
    )
    assert listed._hidden_params["response_cost"] == pytest.approx(0.003)


def test_what_a_model_cannot_take_is_named(place: dict[str, Any]) -> None:
    with pytest.raises(interlingua.UnsupportedParamsError, match="style"):
        interlingua.image_generation(model="openai/gpt-image-1", prompt="A cat", style="vivid", **place)


def test_a_streamed_image(upstream: Upstream, place: dict[str, Any]) -> None:
    events = [
        {"type": "image_generation.partial_image", "b64_json": "QQ==", "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": "QUI=", "usage": {"input_tokens": 1, "output_tokens": 2}},
    ]
    upstream.answer = lambda asked: Reply(frames=[f"data: {json.dumps(event)}\n\n" for event in events])
    stream = interlingua.image_generation(model="gpt-image-1", prompt="A cat", stream=True, partial_images=1, **place)
    assert [event.type for event in stream] == [event["type"] for event in events]


def test_edits_take_files_of_every_kind(upstream: Upstream, place: dict[str, Any], tmp_path: pathlib.Path) -> None:
    upstream.answer = lambda asked: Reply(json=IMAGES)
    on_disk = tmp_path / "a.png"
    on_disk.write_bytes(b"first")
    with on_disk.open("rb") as opened:
        made = interlingua.image_edit(
            model="gpt-image-1",
            image=[opened, b"second", ("c.webp", io.BytesIO(b"third"), "image/webp"), str(on_disk)],
            mask=io.BytesIO(b"mask"),
            prompt="Add a hat",
            **place,
        )
    assert made.data[0].url
    assert upstream.last.path == "/v1/images/edits"
    files = [part for part in form(upstream.last) if part[1]]
    assert files == [
        ("mask", "file", "application/octet-stream", b"mask"),
        ("image[]", "a.png", "image/png", b"first"),
        ("image[]", "file", "application/octet-stream", b"second"),
        ("image[]", "c.webp", "image/webp", b"third"),
        ("image[]", "a.png", "image/png", b"first"),
    ]
    varied = asyncio.run(interlingua.aimage_variation(image=b"one", **place))
    assert varied.data[0].url and upstream.last.path == "/v1/images/variations"
    with pytest.raises(interlingua.BadRequestError, match="image"):
        interlingua.image_edit(image=3, prompt="x", **place)


def test_transcripts(upstream: Upstream, place: dict[str, Any]) -> None:
    answer = {"text": "Hello", "language": "english", "duration": 2, "segments": [{"id": 0}]}
    upstream.answer = lambda asked: Reply(json=answer)
    heard = interlingua.transcription(
        model="whisper-1", file=("a.wav", b"RIFF"), language="en", temperature=0.0, timestamp_granularities=["word"], **place
    )
    assert heard.text == heard["text"] == "Hello" and heard.language == "english" and heard.segments[0]["id"] == 0
    assert heard._hidden_params["response_cost"] == pytest.approx(0.0002)
    parts = {name: data for name, _, _, data in form(upstream.last)}
    assert parts["temperature"] == b"0.0" and parts["timestamp_granularities[]"] == b"word" and parts["file"] == b"RIFF"
    upstream.answer = lambda asked: Reply(raw=b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n", content_type="text/plain")
    srt = asyncio.run(interlingua.atranscription("whisper-1", b"RIFF", response_format="srt", **place))
    assert srt.text.startswith("1\n00:00")


def test_a_streamed_transcript(upstream: Upstream, place: dict[str, Any]) -> None:
    events = [{"type": "transcript.text.delta", "delta": "He"}, {"type": "transcript.text.done", "text": "He"}]
    upstream.answer = lambda asked: Reply(frames=[f"data: {json.dumps(event)}\n\n" for event in events])
    stream = interlingua.transcription(model="gpt-4o-transcribe", file=b"RIFF", stream=True, **place)
    assert [event.type for event in stream] == ["transcript.text.delta", "transcript.text.done"]


def test_speech(upstream: Upstream, place: dict[str, Any], tmp_path: pathlib.Path) -> None:
    upstream.answer = lambda asked: Reply(raw=SOUND, content_type="audio/mpeg")
    spoken = interlingua.speech(model="tts-1", input="Hello", voice="nova", response_format="mp3", speed=1.0, **place)
    assert spoken.content == SOUND and spoken.read() == SOUND
    assert spoken._hidden_params["response_cost"] == pytest.approx(5 * 15e-6)
    assert upstream.last.body["voice"] == "nova"
    interlingua.speech(model="tts-1", input="Hello", **place).stream_to_file(tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == SOUND
    assert upstream.last.body["voice"] == "alloy"
    pieces = list(interlingua.speech(model="tts-1", input="Hello", **place).iter_bytes(1000))
    assert b"".join(pieces) == SOUND and {len(piece) for piece in pieces[:-1]} == {1000}
    assert asyncio.run(interlingua.aspeech(model="tts-1", input="Hello", **place)).content == SOUND


def test_speech_is_taken_as_it_comes(upstream: Upstream, place: dict[str, Any], tmp_path: pathlib.Path) -> None:
    upstream.answer = lambda asked: Reply(raw=SOUND, content_type="audio/mpeg")

    async def spoken() -> None:
        first = await interlingua.aspeech(model="tts-1", input="Hello", **place)
        assert [piece async for piece in first.aiter_bytes(100)][0] == SOUND[:100]
        with pytest.raises(RuntimeError, match="piece by piece"):
            first.read()
        second = await interlingua.aspeech(model="tts-1", input="Hello", **place)
        await second.astream_to_file(tmp_path / "a.mp3")
        third = await interlingua.aspeech(model="tts-1", input="Hello", **place)
        assert await third.aread() == third.content == SOUND

    asyncio.run(spoken())
    assert (tmp_path / "a.mp3").read_bytes() == SOUND


def test_a_chat_model_speaks(upstream: Upstream, place: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": None, "audio": {"id": "a", "data": "SUQz", "transcript": "Hello"}}
    upstream.answer = lambda asked: Reply(json={"choices": [{"index": 0, "message": message}]})
    assert interlingua.speech(model="openai/gpt-4o", input="Hello", **place).content == b"ID3"
    assert upstream.last.path == "/v1/chat/completions" and upstream.last.body["modalities"] == ["text", "audio"]


def test_rerank(upstream: Upstream) -> None:
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    upstream.answer = lambda asked: Reply(json={"id": "r", "results": results, "meta": {"billed_units": {"search_units": 1}}})
    documents = ["a", "b"]
    ranked = interlingua.rerank(
        model="cohere/rerank-english-v3.0", query="q", documents=documents, top_n=2, api_base=upstream.url, api_key="k"
    )
    assert [result.index for result in ranked.results] == [1, 0]
    assert ranked["results"][0]["relevance_score"] == 0.9
    assert ranked.documents[ranked.results[0].index] == "b"
    assert ranked.meta["billed_units"]["search_units"] == 1
    assert ranked._hidden_params["response_cost"] == pytest.approx(0.002)
    with pytest.raises(KeyError):
        ranked["missing"]
    again = asyncio.run(interlingua.arerank("jina_ai/jina-reranker-v2-base-multilingual", "q", documents, api_base=upstream.url, api_key="k"))
    assert again.results[0].index == 1


def test_moderation(upstream: Upstream, place: dict[str, Any]) -> None:
    verdict = {"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 0.9}}
    upstream.answer = lambda asked: Reply(json={"id": "m", "model": "omni-moderation-latest", "results": [verdict]})
    judged = interlingua.moderation(input="bad", **place)
    assert judged.results[0].flagged and judged.results[0].categories.hate and judged.results[0]["category_scores"]["hate"] == 0.9
    assert asyncio.run(interlingua.amoderation("bad", model="omni-moderation-latest", **place)).id == "m"


def test_search(upstream: Upstream) -> None:
    found = {"results": [{"title": "T", "url": "https://a.example", "content": "S", "score": 0.9}]}
    upstream.answer = lambda asked: Reply(json=found)
    answer = interlingua.search(query="q", search_provider="tavily", max_results=3, api_base=upstream.url, api_key="k")
    assert answer.object == "search" and answer.results[0].snippet == "S" and answer.results[0].date is None
    assert upstream.last.body["max_results"] == 3
    again = asyncio.run(interlingua.asearch("q", "tavily", api_base=upstream.url, api_key="k"))
    assert again["results"][0]["title"] == "T"
    with pytest.raises(interlingua.BadRequestError, match="search_provider"):
        interlingua.search(query="q")


def test_a_router_searches_with_its_tools(upstream: Upstream) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("authorization") == "Bearer bad":
            return Reply(status=401, json={"detail": "no such key"})
        return Reply(json={"results": [{"title": "T", "url": "https://t.org", "content": "S"}]})

    upstream.answer = answer
    place = {"search_provider": "tavily", "api_base": upstream.url}
    router = interlingua.Router(
        model_list=[],
        search_tools=[
            {"search_tool_name": "web", "litellm_params": {**place, "api_key": "bad", "order": 1}},
            {"search_tool_name": "web", "litellm_params": {**place, "api_key": "k", "order": 2}},
        ],
        num_retries=1,
    )
    found = router.search(query="rust", search_tool_name="web", max_results=2)
    assert found.results[0].url == "https://t.org" and upstream.last.body["max_results"] == 2
    assert found._hidden_params["response_cost"] == 0.008
    assert asyncio.run(router.asearch(query="rust", search_tool_name="web")).results[0].snippet == "S"
    with pytest.raises(interlingua.BadRequestError, match="there is no search tool 'nope': there are web"):
        router.search(query="rust", search_tool_name="nope")
    with pytest.raises(interlingua.BadRequestError, match="none is configured"):
        interlingua.search(query="rust", search_tool_name="web")


def test_ocr(upstream: Upstream, place: dict[str, Any]) -> None:
    pages = [{"index": 0, "markdown": "# T", "images": [], "dimensions": {"dpi": 200, "height": 2, "width": 1}}]
    answer = {"pages": pages, "model": "mistral-ocr-latest", "usage_info": {"pages_processed": 1, "doc_size_bytes": 9}}
    upstream.answer = lambda asked: Reply(json=answer)
    document = {"type": "document_url", "document_url": "https://a.example/a.pdf"}
    read = interlingua.ocr(model="mistral/mistral-ocr-latest", document=document, **place)
    assert read.pages[0].markdown == "# T" and read.pages[0].dimensions.dpi == 200
    assert read.usage_info.pages_processed == 1 and read.object == "ocr"
    again = asyncio.run(interlingua.aocr("mistral/mistral-ocr-latest", document, **place))
    assert again["pages"][0]["index"] == 0


def test_a_router_has_them_too(upstream: Upstream, place: dict[str, Any]) -> None:
    router = interlingua.Router(
        model_list=[
            {"model_name": "draw", "litellm_params": {"model": "openai/dall-e-3", **place}},
            {"model_name": "hear", "litellm_params": {"model": "openai/whisper-1", **place}},
            {"model_name": "speak", "litellm_params": {"model": "openai/tts-1", **place}},
        ]
    )
    upstream.answer = lambda asked: Reply(json=IMAGES)
    assert router.image_generation(model="draw", prompt="A cat").data[0].url
    assert asyncio.run(router.aimage_generation(model="draw", prompt="A cat")).data[0].url
    upstream.answer = lambda asked: Reply(json={"text": "Hello"})
    assert router.transcription(model="hear", file=b"RIFF").text == "Hello"
    upstream.answer = lambda asked: Reply(raw=SOUND, content_type="audio/mpeg")
    assert router.speech(model="speak", input="Hello", voice="alloy").content == SOUND
