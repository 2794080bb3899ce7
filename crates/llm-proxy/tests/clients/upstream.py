"""A loopback vendor: OpenAI's and Anthropic's wires, well behaved or broken as the model's name asks."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOOL = {"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}


class Upstream:
    """Serves until closed. `requests` holds what came; `hung_up` is set when a client leaves a stream.

    The model `held` waits in the middle of its answer: `holding` is set, and `release` lets it go on.
    """

    def __init__(self):
        self.requests = []
        self.hung_up = threading.Event()
        self.holding = threading.Event()
        self.release = threading.Event()
        self.failures_left = {}
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                upstream.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
                answer(upstream, self, body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def last(self):
        return self.requests[-1]


def answer(upstream, http, body):
    if http.path.endswith(":countTokens"):
        return reply(http, {"totalTokens": 7})
    if "enerateContent" in http.path:
        return google_stream(http, body) if ":stream" in http.path else reply(http, google(body))
    model = body["model"]
    if model in BROKEN:
        return BROKEN[model](http, body)
    if model == "held":
        return held(upstream, http, body)
    if model == "flaky" and upstream.failures_left.get("flaky", 0) > 0:
        upstream.failures_left["flaky"] -= 1
        return reply(http, {"error": {"message": "try again", "type": "server_error"}}, 503)
    if "/responses" in http.path:
        return responses_stream(http, body) if body.get("stream") else reply(http, response(body))
    if http.path.endswith("/embeddings"):
        return reply(http, embeddings(body))
    if http.path.endswith("/messages/count_tokens"):
        return reply(http, {"input_tokens": 42})
    if http.path.endswith("/messages"):
        return anthropic_stream(http, body) if body.get("stream") else reply(http, anthropic(body))
    if model == "endless":
        return endless(upstream, http, body)
    return openai_stream(http, body) if body.get("stream") else reply(http, openai(body))


# OpenAI


def openai(body):
    message = {"role": "assistant", "content": said(body)}
    finish = "stop"
    if body.get("tools"):
        message = {"role": "assistant", "content": None, "tool_calls": [call(0), call(1)]}
        finish = "tool_calls"
    if body.get("response_format"):
        message["content"] = json.dumps({"city": "Paris", "population": 2100000})
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1700000000,
        "model": body["model"] + "-2024-08-06",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": USAGE,
        "vendor_extra": {"kept": True},
    }


USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 4}}


def said(body):
    """Echoes the last user message, whatever its form."""
    content = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
    if isinstance(content, list):
        content = " ".join(part.get("text") or part["type"] for part in content)
    return f"You said: {content}"


def call(index):
    return {
        "id": f"call_{index}",
        "type": "function",
        "function": {"name": TOOL["name"], "arguments": json.dumps(TOOL["arguments"])},
    }


def openai_chunks(body):
    def chunk(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": "chatcmpl-upstream",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": body["model"],
            "choices": [choice],
        }

    yield chunk({"role": "assistant", "content": ""})
    if body.get("tools"):
        for index in (0, 1):
            head = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": TOOL["name"], "arguments": ""}}
            yield chunk({"tool_calls": [head]})
            text = json.dumps(TOOL["arguments"])
            for at in range(0, len(text), 7):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": text[at : at + 7]}}]})
        yield chunk({}, "tool_calls")
    else:
        for word in said(body).split(" "):
            yield chunk({"content": word + " "})
        yield chunk({}, "stop")
    if body.get("stream_options", {}).get("include_usage"):
        last = chunk({})
        last["choices"], last["usage"] = [], USAGE
        yield last


def openai_stream(http, body):
    start_stream(http)
    for chunk in openai_chunks(body):
        send(http, f"data: {json.dumps(chunk)}\n\n")
    send(http, "data: [DONE]\n\n")
    end(http)


def endless(upstream, http, body):
    """Streams until the client hangs up."""
    start_stream(http)
    chunks = list(openai_chunks(body))
    try:
        send(http, f"data: {json.dumps(chunks[0])}\n\n")
        while True:
            send(http, f"data: {json.dumps(chunks[1])}\n\n")
    except OSError:
        upstream.hung_up.set()
        http.close_connection = True


def held(upstream, http, body):
    """Begins, waits until it may go on, and ends well."""

    def wait():
        upstream.holding.set()
        assert upstream.release.wait(timeout=60)

    claude = http.path.endswith("/messages")
    if not body.get("stream"):
        wait()
        return reply(http, anthropic(body) if claude else openai(body))
    if claude:
        events = [f"event: {name}\ndata: {json.dumps({'type': name, **event})}\n\n" for name, event in anthropic_events(body) if name != "ping"]
    else:
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in openai_chunks(body)] + ["data: [DONE]\n\n"]
    start_stream(http)
    try:
        for index, event in enumerate(events):
            if index == 2:
                wait()
            send(http, event)
        end(http)
    except OSError:
        http.close_connection = True


def embeddings(body):
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    data = [{"object": "embedding", "index": i, "embedding": [0.25, -0.5, float(i)]} for i in range(len(inputs))]
    return {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 3, "total_tokens": 3}}


# OpenAI's Responses

RESPONSES_USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}


def response(body):
    content = body["input"] if isinstance(body["input"], str) else body["input"][-1].get("content")
    part = {"type": "output_text", "text": f"You said: {content}", "annotations": []}
    output = [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}]
    if body.get("tools"):
        called = {"call_id": "call_0", "name": TOOL["name"], "arguments": json.dumps(TOOL["arguments"])}
        output = [{"id": "fc_1", "type": "function_call", "status": "completed", **called}]
    return {
        "id": "resp_upstream",
        "object": "response",
        "created_at": 1700000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "usage": RESPONSES_USAGE,
        "vendor_extra": {"kept": True},
    }


def responses_events(body):
    whole = response(body)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "function_call":
            yield "response.output_item.added", {"output_index": index, "item": {**item, "arguments": "", "status": "in_progress"}}
            yield "response.function_call_arguments.delta", {**place, "delta": item["arguments"]}
            yield "response.function_call_arguments.done", {**place, "arguments": item["arguments"], "name": item["name"]}
        else:
            part = item["content"][0]
            place["content_index"] = 0
            yield "response.output_item.added", {"output_index": index, "item": {**item, "content": [], "status": "in_progress"}}
            yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
            for word in part["text"].split(" "):
                yield "response.output_text.delta", {**place, "delta": word + " ", "logprobs": []}
            yield "response.output_text.done", {**place, "text": part["text"] + " ", "logprobs": []}
            yield "response.content_part.done", {**place, "part": part}
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield "response.completed", {"response": whole}


def responses_stream(http, body):
    start_stream(http)
    for number, (name, event) in enumerate(responses_events(body)):
        send(http, f"event: {name}\ndata: {json.dumps({'type': name, 'sequence_number': number, **event})}\n\n")
    end(http)


# Google

GOOGLE_USAGE = {
    "promptTokenCount": 11,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 2,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 18,
}


def google_parts(body):
    if body.get("tools"):
        return [{"functionCall": {"name": TOOL["name"], "args": TOOL["arguments"]}, "thoughtSignature": "c2ln"}]
    text = next(part["text"] for part in body["contents"][-1]["parts"] if "text" in part)
    return [{"text": f"You said: {text}"}]


def google(body):
    candidate = {"content": {"role": "model", "parts": google_parts(body)}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": GOOGLE_USAGE, "modelVersion": "gemini-2.5-flash", "responseId": "r1"}


def google_stream(http, body):
    start_stream(http)
    whole = google(body)
    for part in whole["candidates"][0]["content"]["parts"]:
        pieces = [{"text": word + " "} for word in part["text"].split(" ")] if "text" in part else [part]
        for piece in pieces:
            candidate = {"content": {"role": "model", "parts": [piece]}, "index": 0}
            send(http, f"data: {json.dumps({**whole, 'candidates': [candidate]})}\r\n\r\n")
    last = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}
    send(http, f"data: {json.dumps({**whole, 'candidates': [last]})}\r\n\r\n")
    end(http)


# Anthropic

ANTHROPIC_USAGE = {"input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0}


def anthropic(body):
    content = [{"type": "text", "text": said(body)}]
    stop = "end_turn"
    if body.get("thinking"):
        content.insert(0, {"type": "thinking", "thinking": "Hmm.", "signature": "c2ln"})
    if body.get("tools"):
        content.append({"type": "tool_use", "id": "toolu_1", "name": TOOL["name"], "input": TOOL["arguments"]})
        stop = "tool_use"
    return {
        "id": "msg_upstream",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": ANTHROPIC_USAGE,
    }


def anthropic_events(body):
    whole = anthropic(body)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
    yield "message_start", {"message": start}
    yield "ping", {}
    for index, block in enumerate(whole["content"]):
        kind = block["type"]
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {**block, "input": {}}}[kind]
        yield "content_block_start", {"index": index, "content_block": {**empty, "type": kind}}
        if kind == "text":
            deltas = [{"type": "text_delta", "text": word + " "} for word in block["text"].split(" ")]
        elif kind == "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        else:
            text = json.dumps(block["input"])
            deltas = [{"type": "input_json_delta", "partial_json": text[at : at + 9]} for at in range(0, len(text), 9)]
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"delta": delta, "usage": {"output_tokens": ANTHROPIC_USAGE["output_tokens"]}}
    yield "message_stop", {}


def anthropic_stream(http, body):
    start_stream(http)
    for name, event in anthropic_events(body):
        send(http, f"event: {name}\ndata: {json.dumps({'type': name, **event})}\n\n")
    end(http)


# Broken ones


def truncated(http, body):
    """Half an answer, then the connection ends as if all were well."""
    if not body.get("stream"):
        return raw(http, b'{"id": "x", "choices": [{"mess')
    start_stream(http)
    if http.path.endswith("/responses"):
        for name, event in list(responses_events(body))[:5]:
            send(http, f"data: {json.dumps({'type': name, **event})}\n\n")
        return end(http)
    for chunk in list(openai_chunks(body))[:3]:
        send(http, f"data: {json.dumps(chunk)}\n\n")
    end(http)


def error_in_stream(http, body):
    start_stream(http)
    send(http, f"data: {json.dumps(list(openai_chunks(body))[1])}\n\n")
    send(http, 'data: {"error": {"message": "the engine broke", "type": "server_error"}}\n\n')
    end(http)


def refuse(status, error, headers=()):
    return lambda http, body: reply(http, {"error": error}, status, headers)


BROKEN = {
    "truncated": truncated,
    "error-in-stream": error_in_stream,
    "html": lambda http, body: raw(http, b"<html><body>It works!</body></html>", "text/html"),
    "empty": lambda http, body: raw(http, b""),
    "half": lambda http, body: raw(http, b'{"id": "chatcmpl-1", "object": "chat.comp'),
    "rate-limited": refuse(429, {"message": "Rate limit reached for requests", "type": "requests", "code": "rate_limit_exceeded"}, [("retry-after", "7")]),
    "too-long": refuse(400, {"message": "This model's maximum context length is 128000 tokens.", "type": "invalid_request_error", "code": "context_length_exceeded", "param": "messages"}),
    "no-key": refuse(401, {"message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key"}),
    "gone": refuse(404, {"message": "The model does not exist", "type": "invalid_request_error", "code": "model_not_found"}),
}


# HTTP


def reply(http, json_body, status=200, headers=()):
    raw(http, json.dumps(json_body).encode(), "application/json", status, [*headers, ("x-request-id", "req_upstream")])


def raw(http, data, content_type="application/json", status=200, headers=()):
    http.send_response(status)
    http.send_header("content-type", content_type)
    http.send_header("content-length", str(len(data)))
    for name, value in headers:
        http.send_header(name, value)
    http.end_headers()
    http.wfile.write(data)


def start_stream(http):
    http.send_response(200)
    http.send_header("content-type", "text/event-stream")
    http.send_header("transfer-encoding", "chunked")
    http.end_headers()


def send(http, text):
    data = text.encode()
    http.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    http.wfile.flush()


def end(http):
    http.wfile.write(b"0\r\n\r\n")
