"""A loopback vendor that keeps things: OpenAI's files, batches, responses, videos and training jobs."""

import email.parser
import email.policy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

#: Longer bodies are counted and thrown away.
LONG = 16 << 20


class Keeper:
    """Serves until closed. `requests` holds what came; a batch is completed when it is asked for the third time."""

    def __init__(self):
        self.requests = []
        self.kept = {"files": {}, "batches": {}, "videos": {}, "responses": {}, "jobs": {}}
        self.contents = {}
        self.made = 0
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = read(self)
                seen = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
                keeper.requests.append(seen)
                address = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                keeper.answer(self, address.path.removeprefix("/v1").strip("/").split("/"), query, body)

            do_GET = do_DELETE = do_POST

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def last(self):
        return self.requests[-1]

    def answer(self, http, path, query, body):
        kind, rest = (path[1], path[2:]) if path[0] == "fine_tuning" else (path[0], path[1:])
        made = getattr(self, f"make_{kind}", None)
        if not rest and http.command == "POST":
            return reply(http, made(body)) if made else reply(http, {"error": {"message": "no such path"}}, 404)
        shelf = self.kept.get(kind, {})
        if not rest:
            return reply(http, page(shelf, query))
        if rest[0] not in shelf:
            word = getattr(self, f"word_{rest[0]}", None)
            return reply(http, word(body)) if word else reply(http, {"error": {"message": f"No such {kind}: {rest[0]}"}}, 404)
        thing = shelf[rest[0]]
        if http.command == "DELETE":
            del shelf[rest[0]]
            return reply(http, {"id": thing["id"], "object": thing["object"], "deleted": True})
        if rest[1:] == ["content"]:
            return self.content(http, thing["id"])
        if rest[1:] == ["cancel"]:
            thing["status"] = "cancelled" if kind != "batches" else "cancelling"
        elif rest[1:] == ["pause"]:
            thing["status"] = "paused"
        elif rest[1:] == ["resume"]:
            thing["status"] = "queued"
        elif rest[1:] == ["input_items"]:
            return reply(http, {"object": "list", "data": thing["input"], "first_id": "msg_0", "last_id": "msg_0", "has_more": False})
        elif rest[1:] in (["events"], ["checkpoints"]):
            return reply(http, {"object": "list", "data": [{"id": "ftevent-1", "object": "fine_tuning.job.event", "created_at": 1, "level": "info", "message": "Made"}], "has_more": False})
        elif rest[1:] == ["remix"]:
            return reply(http, {**self.make_videos({**thing, **body}), "remixed_from_video_id": thing["id"]})
        elif kind == "batches":
            self.go_on(thing)
        elif kind == "videos":
            thing.update(status="completed", progress=100)
        elif kind == "responses" and query.get("stream") == "true":
            return self.tell(http, thing, int(query.get("starting_after", -1)))
        return reply(http, thing)

    def tell(self, http, response, after):
        """What was said for a response, from an event on."""
        part = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
        events = [
            {"type": "response.created", "response": {**response, "status": "in_progress"}},
            {"type": "response.output_text.delta", "delta": "Hello!", **part},
            {"type": "response.completed", "response": response},
        ]
        told = [{**event, "sequence_number": number} for number, event in enumerate(events) if number > after]
        data = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in told).encode()
        http.send_response(200)
        http.send_header("content-type", "text/event-stream")
        http.send_header("content-length", str(len(data)))
        http.end_headers()
        http.wfile.write(data)

    def new(self, kind, prefix, fields):
        self.made += 1
        thing = {"id": f"{prefix}{self.made:04}", "created_at": 1700000000 + self.made, **fields}
        self.kept[kind][thing["id"]] = thing
        return thing

    def make_files(self, form):
        file = form["file"]
        thing = self.new(
            "files",
            "file-",
            {"object": "file", "bytes": file["size"], "filename": file["filename"], "purpose": form["purpose"], "status": "processed"},
        )
        self.contents[thing["id"]] = file["bytes"]
        return thing

    def make_batches(self, body):
        if body["input_file_id"] not in self.kept["files"]:
            return {"error": {"message": "there is no such input file"}}
        counts = {"total": 2, "completed": 0, "failed": 0}
        return self.new(
            "batches",
            "batch_",
            {"object": "batch", **body, "status": "validating", "request_counts": counts, "output_file_id": None, "error_file_id": None, "asked": 0},
        )

    def go_on(self, batch):
        batch["asked"] += 1
        if batch["status"] == "cancelling":
            batch["status"] = "cancelled"
        elif batch["asked"] == 2:
            batch["status"] = "in_progress"
        elif batch["asked"] == 3:
            lines = self.contents[batch["input_file_id"]].decode().splitlines()
            out = [{"id": f"r{n}", "custom_id": json.loads(line)["custom_id"], "response": {"status_code": 200, "body": {}}} for n, line in enumerate(lines)]
            text = "".join(json.dumps(line) + "\n" for line in out).encode()
            made = {"file": {"size": len(text), "filename": "output.jsonl", "bytes": text}, "purpose": "batch_output"}
            batch.update(status="completed", output_file_id=self.make_files(made)["id"])
            batch["request_counts"] = {"total": len(lines), "completed": len(lines), "failed": 0}

    def make_videos(self, body):
        fields = {name: body.get(name) for name in ("model", "prompt", "seconds", "size")}
        thing = self.new("videos", "video_", {"object": "video", "status": "queued", "progress": 0, **fields})
        self.contents[thing["id"]] = b"\0film" * 100_000
        return thing

    def make_responses(self, body):
        part = {"type": "output_text", "text": "Hello!", "annotations": []}
        output = [{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}]
        usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        status = "queued" if body.get("background") else "completed"
        items = [{"id": "msg_0", "type": "message", "role": "user", "content": [{"type": "input_text", "text": str(body["input"])}]}]
        fields = {"object": "response", "status": status, "model": body["model"], "output": output, "usage": usage, "error": None, "incomplete_details": None}
        fields.update(instructions=None, metadata={}, parallel_tool_calls=True, temperature=1.0, tool_choice="auto", tools=[], top_p=1.0, input=items)
        return self.new("responses", "resp_", fields)

    def word_compact(self, body):
        output = [{"id": "cmp_1", "type": "compaction", "encrypted_content": "c2Vj"}]
        usage = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        return {"id": "resp_compacted", "object": "response.compaction", "created_at": 1, "output": output, "usage": usage}

    def word_input_tokens(self, body):
        return {"object": "response.input_tokens", "input_tokens": 11}

    def make_jobs(self, body):
        return self.new("jobs", "ftjob-", {"object": "fine_tuning.job", "status": "queued", "seed": 1, "organization_id": "org-1", "result_files": [], "hyperparameters": {"n_epochs": "auto"}, **body})

    def content(self, http, id):
        data = self.contents[id]
        if isinstance(data, int):
            return many(http, data)
        announced = len(data)
        if id == self.cut:
            announced += 1000
        http.send_response(200)
        http.send_header("content-type", "application/octet-stream")
        http.send_header("content-disposition", 'attachment; filename="out.bin"')
        http.send_header("content-length", str(announced))
        http.end_headers()
        http.wfile.write(data)
        if id == self.cut:
            http.close_connection = True

    #: The file whose contents stop short.
    cut = None


def page(shelf, query):
    """The newest first, after the one that is named."""
    things = list(reversed(shelf.values()))
    ids = [thing["id"] for thing in things]
    at = ids.index(query["after"]) + 1 if "after" in query else 0
    limit = int(query.get("limit", 20))
    some = things[at : at + limit]
    ends = {"first_id": some[0]["id"], "last_id": some[-1]["id"]} if some else {}
    return {"object": "list", "data": some, **ends, "has_more": len(things) > at + limit}


def read(http):
    """A JSON object, a form's fields, or None."""
    kind = http.headers.get("content-type", "")
    if "content-length" in http.headers:
        length = int(http.headers["content-length"])
        if length > LONG:
            return counted(http, length)
        data = http.rfile.read(length)
    elif http.headers.get("transfer-encoding") == "chunked":
        data = b""
        while size := int(http.rfile.readline(), 16):
            data += http.rfile.read(size)
            http.rfile.readline()
        http.rfile.readline()
    else:
        return None
    if kind.startswith("multipart/"):
        return form(kind, data)
    return json.loads(data) if data else None


def form(kind, data):
    head = f"content-type: {kind}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + data)
    fields = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        filename = part.get_filename()
        fields[name] = content.decode() if filename is None else {"filename": filename, "size": len(content), "bytes": content}
    return fields


def counted(http, length):
    left = length
    while left:
        left -= len(http.rfile.read(min(left, 1 << 20)))
    return {"file": {"filename": "long.bin", "size": length, "bytes": length}, "purpose": "user_data"}


def many(http, length):
    http.send_response(200)
    http.send_header("content-type", "application/octet-stream")
    http.send_header("content-length", str(length))
    http.end_headers()
    piece = b"x" * (1 << 20)
    while length:
        length -= http.wfile.write(piece[:length])


def reply(http, body, status=200):
    if "error" in body and body["error"] and status == 200:
        status = 400
    data = json.dumps(body).encode()
    http.send_response(status)
    http.send_header("content-type", "application/json")
    http.send_header("content-length", str(len(data)))
    http.end_headers()
    http.wfile.write(data)
