"""Images, sound, reranking, moderation, search and text recognition, through stock clients and curl."""

import json
import shutil
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cohere
import openai
import pytest

from conftest import KEY, Gateway

SOUND = b"ID3" + bytes(range(256)) * 4000

CONFIG = """
model_list:
  - model_name: draw
    litellm_params: {{model: openai/dall-e-3, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: draw-tokens
    litellm_params: {{model: openai/gpt-image-1, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: flux
    litellm_params: {{model: fal_ai/fal-ai/flux/schnell, api_base: "{url}", api_key: sk-upstream}}
  - model_name: whisper
    litellm_params: {{model: openai/whisper-1, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: groq-whisper
    litellm_params: {{model: groq/whisper-large-v3, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: tts-1
    litellm_params: {{model: openai/tts-1, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: ranker
    litellm_params: {{model: cohere/rerank-v3.5, api_base: "{url}", api_key: sk-upstream}}
  - model_name: judge
    litellm_params: {{model: openai/omni-moderation-latest, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: finder
    litellm_params: {{model: tavily/search, api_base: "{url}", api_key: sk-upstream}}
  - model_name: reader
    litellm_params: {{model: mistral/mistral-ocr-latest, api_base: "{url}/v1", api_key: sk-upstream}}
general_settings:
  master_key: {key}
"""

VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.0,
    "text": "Good morning.",
    "segments": [{"id": 0, "start": 0.0, "end": 2.0, "text": " Good morning."}],
}


def image_events():
    usage = {"input_tokens": 14, "output_tokens": 272, "total_tokens": 286}
    yield {"type": "image_generation.partial_image", "b64_json": "QQ==", "partial_image_index": 0}
    yield {"type": "image_generation.completed", "b64_json": "QUI=", "usage": usage}


def text_events():
    yield {"type": "transcript.text.delta", "delta": "Good"}
    yield {"type": "transcript.text.done", "text": "Good morning."}


class Media:
    """A vendor of everything. `requests` holds what came: path, type, bytes."""

    def __init__(self):
        self.requests = []
        media = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                if self.headers.get("transfer-encoding") == "chunked":
                    raw = b"".join(iter(self.chunk, b""))
                else:
                    raw = self.rfile.read(int(self.headers["content-length"]))
                kind = self.headers["content-type"]
                media.requests.append((self.path, kind, raw))
                self.answer(raw, kind)

            def chunk(self):
                size = int(self.rfile.readline(), 16)
                data = self.rfile.read(size)
                self.rfile.readline()
                return data

            def answer(self, raw, kind):
                body = json.loads(raw) if kind.startswith("application/json") else {}
                path = self.path.partition("?")[0]
                if path.endswith("/images/generations") and body.get("stream"):
                    return self.events(image_events())
                if "/images/" in path:
                    return self.json({"created": 1700000000, "data": [{"url": "https://images.example.com/1.png"}]})
                if "/flux/" in path:
                    return self.json({"images": [{"url": "https://images.example.com/f.png"}], "seed": 7})
                if path.endswith("/audio/transcriptions"):
                    if b'name="stream"' in raw:
                        return self.events(text_events())
                    if b"\r\n\r\nsrt\r\n" in raw:
                        return self.send(b"1\n00:00:00,000 --> 00:00:02,000\nGood morning.\n\n", "text/plain; charset=utf-8")
                    return self.json(VERBOSE)
                if path.endswith("/audio/translations"):
                    return self.json({"text": "Good morning."})
                if path.endswith("/audio/speech"):
                    return self.send(SOUND, "audio/mpeg")
                if path.endswith("/rerank"):
                    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
                    return self.json({"id": "r-1", "results": results, "meta": {"billed_units": {"search_units": 1}}})
                if path.endswith("/moderations"):
                    verdict = {"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 0.9}}
                    return self.json({"id": "m-1", "model": body["model"], "results": [verdict]})
                if path.endswith("/ocr"):
                    pages = [{"index": 0, "markdown": "# T", "images": [], "dimensions": None}]
                    return self.json({"pages": pages, "model": body["model"], "usage_info": {"pages_processed": 1}})
                return self.json({"results": [{"title": "T", "url": "https://a.example", "content": "S"}]})

            def json(self, answer):
                self.send(json.dumps(answer).encode(), "application/json")

            def events(self, events):
                text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
                self.send(text.encode(), "text/event-stream")

            def send(self, data, kind):
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def media():
    vendor = Media()
    yield vendor
    vendor.server.shutdown()
    vendor.server.server_close()


@pytest.fixture(scope="module")
def gateway(media, tmp_path_factory):
    config = tmp_path_factory.mktemp("media") / "config.yaml"
    config.write_text(CONFIG.format(url=media.url, key=KEY))
    running = Gateway(["--config", str(config)])
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(gateway):
    return openai.OpenAI(api_key=KEY, base_url=gateway.url, max_retries=0)


def post(gateway, path, body):
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    request = urllib.request.Request(gateway.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer), dict(answer.headers)


def cost(answer):
    return float(answer.headers["x-litellm-response-cost"])


def test_images(client, media):
    made = client.images.generate(model="draw", prompt="A cat", n=1, size="1024x1024", quality="hd", style="vivid")
    assert made.data[0].url == "https://images.example.com/1.png"
    path, _, raw = media.requests[-1]
    assert path == "/v1/images/generations" and json.loads(raw)["model"] == "dall-e-3"


def test_images_of_another_wire_are_charged(client):
    raw = client.images.with_raw_response.generate(model="flux", prompt="A cat")
    assert raw.parse().data[0].url == "https://images.example.com/f.png"
    assert cost(raw) == pytest.approx(0.003)
    with pytest.raises(openai.BadRequestError, match="quality"):
        client.images.generate(model="flux", prompt="A cat", quality="hd")


def test_streamed_images(client):
    stream = client.images.generate(model="draw-tokens", prompt="A cat", stream=True, partial_images=1)
    assert [event.type for event in stream] == ["image_generation.partial_image", "image_generation.completed"]


def test_edits_and_variations(client, media):
    files = [("a.png", b"first", "image/png"), ("b.png", b"second", "image/png")]
    made = client.images.edit(model="draw-tokens", image=files, mask=("m.png", b"covered", "image/png"), prompt="Add a hat")
    assert made.data[0].url
    path, kind, raw = media.requests[-1]
    assert path == "/v1/images/edits" and kind.startswith("multipart/form-data")
    places = [raw.index(b) for b in (b'filename="a.png"', b"first", b'filename="b.png"', b"second", b'filename="m.png"', b"covered")]
    assert places == sorted(places) and raw.count(b'name="image[]"') == 2 and b"gpt-image-1" in raw
    assert client.images.create_variation(model="draw", image=("a.png", b"first")).data[0].url


def test_transcripts(client, media):
    heard = client.audio.transcriptions.create(model="whisper", file=("a.wav", b"RIFF"), response_format="verbose_json")
    assert heard.text == "Good morning." and heard.duration == 2.0
    raw = client.audio.transcriptions.with_raw_response.create(model="whisper", file=("a.wav", b"RIFF"))
    assert cost(raw) == pytest.approx(0.0002)
    srt = client.audio.transcriptions.create(model="whisper", file=("a.wav", b"RIFF"), response_format="srt")
    assert srt.startswith("1\n00:00:00,000")
    ours = client.audio.transcriptions.create(model="groq-whisper", file=("a.wav", b"RIFF"), response_format="srt")
    assert ours == "1\n00:00:00,000 --> 00:00:02,000\nGood morning.\n\n"
    assert b"verbose_json" in media.requests[-1][2]
    stream = client.audio.transcriptions.create(model="whisper", file=("a.wav", b"RIFF"), stream=True)
    assert [event.type for event in stream] == ["transcript.text.delta", "transcript.text.done"]
    assert client.audio.translations.create(model="whisper", file=("a.wav", b"RIFF")).text == "Good morning."


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_sends_a_recording(gateway, tmp_path):
    recording = tmp_path / "audio.wav"
    recording.write_bytes(b"RIFF")
    address = f"{gateway.url}/v1/audio/transcriptions"
    form = ["--form", f'file=@"{recording}"', "--form", 'model="whisper"']
    said = subprocess.run(
        ["curl", "-sS", address, "-H", f"Authorization: Bearer {KEY}", *form], capture_output=True, check=True, timeout=60
    )
    assert json.loads(said.stdout)["text"] == "Good morning."


@pytest.mark.parametrize("size", [4, 1 << 20])
def test_curl_passes_a_recording_through(gateway, media, tmp_path, size):
    recording = tmp_path / "audio.wav"
    recording.write_bytes(bytes(size))
    address = f"{gateway.url}/openai/audio/transcriptions"
    form = ["--form", f'file=@"{recording}"', "--form", 'model="whisper"']
    said = subprocess.run(
        ["curl", "-sSi", address, "-H", f"Authorization: Bearer {KEY}", *form], capture_output=True, check=True, timeout=60
    )
    head, _, body = said.stdout.rpartition(b"\r\n\r\n")
    assert json.loads(body) == VERBOSE
    # Two seconds at a tenth of a thousandth of a dollar.
    assert b"x-litellm-response-cost: 0.0002\r\n" in head
    path, kind, raw = media.requests[-1]
    assert path == "/v1/audio/transcriptions" and kind.startswith("multipart/form-data")
    assert b"\r\n\r\nwhisper-1\r\n" in raw and len(raw) > size


def test_speech(client, media, tmp_path):
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="Hello") as spoken:
        assert spoken.headers["content-type"] == "audio/mpeg"
        assert cost(spoken) == pytest.approx(5 * 15e-6)
        spoken.stream_to_file(tmp_path / "output.mp3")
    assert (tmp_path / "output.mp3").read_bytes() == SOUND
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").content == SOUND


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_rerank(gateway, path):
    body = {"model": "ranker", "query": "q", "documents": ["a", "b"], "top_n": 2}
    answer, headers = post(gateway, path, body)
    assert [result["index"] for result in answer["results"]] == [1, 0]
    assert float(headers["x-litellm-response-cost"]) == pytest.approx(0.002)


def test_moderations(client):
    judged = client.moderations.create(model="judge", input="bad")
    assert judged.results[0].flagged and judged.results[0].categories.hate


def test_search_and_ocr(gateway):
    found, _ = post(gateway, "/v1/search", {"model": "finder", "query": "q"})
    assert found["object"] == "search" and found["results"][0]["snippet"] == "S"
    document = {"type": "document_url", "document_url": "https://a.example/a.pdf"}
    read, headers = post(gateway, "/v1/ocr", {"model": "reader", "document": document})
    assert read["pages"][0]["markdown"] == "# T"
    assert float(headers["x-litellm-response-cost"]) > 0

@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_cohere_package(gateway, version):
    make = cohere.Client if version == "v1" else cohere.ClientV2
    client = make(api_key=KEY, base_url=gateway.url)
    ranked = client.rerank(model="ranker", query="q", documents=["a", "b"], top_n=2)
    assert [result.index for result in ranked.results] == [1, 0]
    assert ranked.results[0].relevance_score > ranked.results[1].relevance_score


def test_azures_addresses(gateway, media):
    client = openai.AzureOpenAI(api_key=KEY, azure_endpoint=gateway.url, api_version="2024-10-21", max_retries=0)
    assert client.images.generate(model="draw", prompt="A cat").data[0].url
    assert client.images.edit(model="draw-tokens", image=("a.png", b"\x89PNG"), prompt="A hat").data
    heard = client.audio.transcriptions.create(model="whisper", file=("a.wav", b"RIFF"))
    assert heard.text
    assert client.audio.translations.create(model="whisper", file=("a.wav", b"RIFF")).text
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").content == SOUND
