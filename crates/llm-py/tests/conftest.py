"""A vendor on the loopback interface, and a process environment without keys."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """What the vendor answers: JSON, or the frames of a stream."""

    json: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    frames: list[str] | None = None
    content_type: str = "text/event-stream"
    #: After the frames: end the stream, cut the connection, or wait until the client hangs up.
    then: str = "end"
    raw: bytes | None = None


class Upstream:
    """A vendor that answers what a test says."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Reply] = lambda asked: Reply(json=chat("Hello!"))
        self.hung_up = threading.Event()
        self.waiting = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def last(self) -> Asked:
        return self.asked[-1]

    def replies(self, *replies: Reply) -> None:
        """Answers with these in turn, the last one for ever."""
        queue = list(replies)

        def answer(_: Asked) -> Reply:
            return queue.pop(0) if len(queue) > 1 else queue[0]

        self.answer = answer

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                is_json = not headers.get("content-type", "").startswith("multipart/")
                body = json.loads(raw) if raw and is_json else raw or None
                asked = Asked(self.command, self.path, headers, body)
                upstream.asked.append(asked)
                reply = upstream.answer(asked)
                try:
                    self.reply(reply)
                except OSError:
                    upstream.hung_up.set()
                    self.close_connection = True

            do_GET = do_DELETE = do_POST

            def reply(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.then == "hang":
                    self.wait_for_hang_up()
                    return
                if reply.frames is None:
                    data = reply.raw if reply.raw is not None else json.dumps(reply.json).encode()
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                    return
                self.send_header("content-type", reply.content_type)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for frame in reply.frames:
                    data = frame.encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                if reply.then == "wait":
                    self.wait_for_hang_up()
                elif reply.then == "cut":
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def wait_for_hang_up(self) -> None:
                upstream.waiting.set()
                self.connection.settimeout(30)
                # The client sends nothing more: what can be read is the end.
                if self.connection.recv(1) == b"":
                    upstream.hung_up.set()
                self.close_connection = True

            def finish(self) -> None:
                with contextlib.suppress(OSError):
                    super().finish()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def chat(text: str | None = "Hello!", **message: Any) -> dict[str, Any]:
    """An OpenAI chat answer."""
    finish = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": text,
                    "refusal": None,
                    "annotations": [],
                    **message,
                },
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **fields: Any) -> str:
    """A frame of an OpenAI chat stream; without a delta one without choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4o-2024-08-06",
        "choices": choices,
        **fields,
    }
    return f"data: {json.dumps(whole)}\n\n"


USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
DONE = "data: [DONE]\n\n"


def stream(*texts: str, then: str = "end") -> Reply:
    """An OpenAI chat stream of these texts."""
    frames = [chunk({"role": "assistant", "content": ""}, usage=None)]
    frames += [chunk({"content": text}, usage=None) for text in texts]
    if then == "end":
        frames += [chunk({}, "stop", usage=None), chunk(None, usage=USAGE), DONE]
    return Reply(frames=frames, then=then)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def openai(upstream: Upstream) -> dict[str, str]:
    """Arguments that send an OpenAI call to the loopback vendor."""
    return {"model": "openai/gpt-4o", "api_key": "sk-test", "api_base": f"{upstream.url}/v1"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys and no proxies of the machine."""
    for name in os.environ:
        if name.upper().endswith(("_API_KEY", "_PROXY", "_API_BASE", "_BASE_URL")):
            monkeypatch.delenv(name)


USER = [{"role": "user", "content": "Hi"}]


def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
