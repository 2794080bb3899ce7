"""What vendors keep: files, batches, responses, videos and training jobs, by their ids."""

from __future__ import annotations

import base64
import binascii
import functools
from dataclasses import dataclass, field

from . import _files, _request
from ._dialects import ResponsesStream
from ._stream import _scan
from .exceptions import BadRequestError
from .main import _settled
from .types.binary import ByteStream, HttpxBinaryResponseContent
from .types.dialects import ResponsesAPIResponse
from .types.kept import (
    DeleteResponseResult,
    FileDeleted,
    LiteLLMBatch,
    LiteLLMFineTuningJob,
    OpenAIFileObject,
    Page,
    VideoObject,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar

    from typing_extensions import ParamSpec

    from ._native import File, Meta

    P = ParamSpec("P")
    T = TypeVar("T")


@dataclass
class Ask:
    """One request: what is asked for, and what is made of the answer."""

    name: str
    params: dict[str, Any]
    kind: Any
    id: str | None = None
    query: list[tuple[str, str]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    whole: bool = True

    def settled(self) -> tuple[Any, bytes, bool]:
        """Who is asked, with what, and whether a router is."""
        params = {name: value for name, value in self.params.items() if value is not None}
        routed = params.get("_via") is not None
        if not routed:
            self.id = _named(self.id, params)
            if "model" not in params:
                params.setdefault("custom_llm_provider", "openai")
        client, params = _settled(params)
        return client, _request.body(params), routed

    def arguments(self) -> dict[str, Any]:
        """What goes along with the body."""
        return {"files": self.files or None, "id": self.id, "query": self.query or None}


def _both(ask: Callable[P, Ask]) -> tuple[Callable[P, Any], Callable[P, Coroutine[Any, Any, Any]]]:
    """The two functions of a request: one that waits, one to be awaited."""
    name = ask.__name__.lstrip("_")

    def now(*args: P.args, **kwargs: P.kwargs) -> Any:
        made = ask(*args, **kwargs)
        client, body, routed = made.settled()
        answer, meta = client.call(made.name, body, **made.arguments())
        if made.kind is ResponsesStream:
            return _told(answer, meta)
        if type(answer) is str:
            return _read(made, answer, meta, routed=routed)
        if not made.whole:
            return ByteStream(answer, meta)
        if type(answer) is not bytes and made.kind is not bytes:
            return HttpxBinaryResponseContent(ByteStream(answer, meta), meta.hidden)
        whole = answer if type(answer) is bytes else b"".join(ByteStream(answer, meta))
        return _bytes(made, whole, meta)

    async def later(*args: P.args, **kwargs: P.kwargs) -> Any:
        from ._bridge import bridge

        made = ask(*args, **kwargs)
        client, body, routed = made.settled()
        answer, meta = await bridge().result(client.start(made.name, body, **made.arguments()))
        if made.kind is ResponsesStream:
            return _told(answer, meta)
        if type(answer) is str:
            return _read(made, answer, meta, routed=routed)
        if not made.whole:
            return ByteStream(answer, meta)
        if type(answer) is not bytes:
            answer = b"".join([piece async for piece in ByteStream(answer, meta)])
        return _bytes(made, answer, meta)

    for function, public in ((now, name), (later, f"a{name}")):
        functools.update_wrapper(function, ask)
        function.__name__ = function.__qualname__ = public
    return now, later


def _told(answer: Any, meta: Meta) -> ResponsesStream:
    if type(answer) is str:
        raise BadRequestError("this response is kept here, and as a whole: ask for it without 'stream'", param="stream")
    return ResponsesStream(answer, meta)


def _read(ask: Ask, text: str, meta: Meta, *, routed: bool) -> Any:
    if ask.kind in (HttpxBinaryResponseContent, bytes):
        return _bytes(ask, text.encode(), meta)
    fields, _ = _scan(text, 0)
    if not routed and ask.name.startswith("video_"):
        _name_videos(fields, meta)
    answer = ask.kind._wrap(fields)
    answer._hidden = meta.hidden
    return answer


def _bytes(ask: Ask, data: bytes, meta: Meta) -> Any:
    return data if ask.kind is bytes else HttpxBinaryResponseContent(data, meta.hidden)


# A video's id says by itself who keeps it.

_MARK = "litellm:custom_llm_provider:"


def _name_videos(fields: dict[str, Any], meta: Meta) -> None:
    things = fields.get("data") if fields.get("object") == "list" else [fields]
    for thing in things or ():
        for key in ("id", "remixed_from_video_id"):
            if thing.get(key):
                text = f"{_MARK}{meta.provider};model_id:{meta.model};video_id:{thing[key]}"
                thing[key] = "video_" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _named(id: str | None, params: dict[str, Any]) -> str | None:
    """The vendor's own id; who keeps it becomes a parameter. Other ids are the vendor's own already."""
    if id is None:
        return None
    prefix, mark, rest = id.partition("_")
    if not mark or prefix not in ("video", "resp"):
        return id
    try:
        text = base64.urlsafe_b64decode(rest + "=" * (-len(rest) % 4)).decode()
    except (binascii.Error, ValueError):
        return id
    if not text.startswith(_MARK):
        return id
    provider, _, rest = text[len(_MARK) :].partition(";model_id:")
    model, _, named = rest.partition(";")
    what, _, own = named.partition(":")
    params.setdefault("custom_llm_provider", provider)
    if what == "video_id":
        params.setdefault("model", model)
    return own or id


def _query(**said: Any) -> list[tuple[str, str]]:
    pairs = []
    for name, value in said.items():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if item is not None:
                pairs.append((name, item if isinstance(item, str) else _request.encode(item)))
    return pairs


# Files


def _create_file(
    file: Any,
    purpose: str,
    expires_after: dict[str, Any] | None = None,
    custom_llm_provider: str | None = None,
    extra_headers: dict[str, str] | None = None,
    extra_body: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Ask:
    """Uploads a file: bytes, a path, an open file, or a tuple of name, contents and type."""
    files: list[File] = []
    params: dict[str, Any] = {"purpose": purpose, "file": file}
    _files.attach(params, "file", files)
    if expires_after:
        params.update({f"expires_after[{name}]": str(value) for name, value in expires_after.items()})
    params.update(custom_llm_provider=custom_llm_provider, extra_headers=extra_headers, extra_body=extra_body, **kwargs)
    return Ask("create_file", params, OpenAIFileObject, files=files)


def _of_file(name: str, kind: Any, file_id: str, kwargs: dict[str, Any]) -> Ask:
    return Ask(name, kwargs, kind, id=file_id)


def _file_retrieve(file_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """What is known of a file."""
    return _of_file("file_retrieve", OpenAIFileObject, file_id, {"custom_llm_provider": custom_llm_provider, **kwargs})


def _file_delete(file_id: str, custom_llm_provider: str | None = None, model: str | None = None, **kwargs: Any) -> Ask:
    """Removes a file."""
    params = {"custom_llm_provider": custom_llm_provider, "model": model, **kwargs}
    return _of_file("file_delete", FileDeleted, file_id, params)


def _file_list(custom_llm_provider: str | None = None, purpose: str | None = None, **kwargs: Any) -> Ask:
    """The files that there are."""
    query = _query(purpose=purpose, **{name: kwargs.pop(name, None) for name in ("after", "limit", "order")})
    return Ask("file_list", {"custom_llm_provider": custom_llm_provider, **kwargs}, Page, query=query)


def _file_content(
    file_id: str,
    custom_llm_provider: str | None = None,
    model: str | None = None,
    chunk_size: int = 1048576,
    stream: bool = False,
    **kwargs: Any,
) -> Ask:
    """A file's bytes; with `stream=True` as they come."""
    params = {"custom_llm_provider": custom_llm_provider, "model": model, **kwargs}
    return Ask("file_content", params, HttpxBinaryResponseContent, id=file_id, whole=not stream)


# Batches


def _create_batch(
    completion_window: str,
    endpoint: str,
    input_file_id: str,
    custom_llm_provider: str | None = None,
    metadata: dict[str, str] | None = None,
    output_expires_after: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Ask:
    """Has the requests of a file answered, later and at a lower price."""
    params = {
        "completion_window": completion_window,
        "endpoint": endpoint,
        "input_file_id": input_file_id,
        "custom_llm_provider": custom_llm_provider,
        "metadata": metadata,
        "output_expires_after": output_expires_after,
        **kwargs,
    }
    return Ask("create_batch", params, LiteLLMBatch)


def _retrieve_batch(batch_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """How far a batch is."""
    return Ask("retrieve_batch", {"custom_llm_provider": custom_llm_provider, **kwargs}, LiteLLMBatch, id=batch_id)


def _cancel_batch(
    batch_id: str, model: str | None = None, custom_llm_provider: str | None = None, **kwargs: Any
) -> Ask:
    """Stops a batch. What is answered by then stays."""
    params = {"custom_llm_provider": custom_llm_provider, "model": model, **kwargs}
    return Ask("cancel_batch", params, LiteLLMBatch, id=batch_id)


def _list_batches(
    after: str | None = None, limit: int | None = None, custom_llm_provider: str | None = None, **kwargs: Any
) -> Ask:
    """The batches that there are."""
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("list_batches", params, Page, query=_query(after=after, limit=limit))


# Responses


def _get_responses(
    response_id: str,
    custom_llm_provider: str | None = None,
    stream: bool | None = None,
    starting_after: int | None = None,
    **kwargs: Any,
) -> Ask:
    """A response, by its id. With `stream=True` its events, those behind the one that `starting_after` counts."""
    again = "true" if stream else None
    query = _query(include=kwargs.pop("include", None), stream=again, starting_after=starting_after)
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    kind = ResponsesStream if stream else ResponsesAPIResponse
    return Ask("get_responses", params, kind, id=response_id, query=query)


def _delete_responses(response_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """Removes a response."""
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("delete_responses", params, DeleteResponseResult, id=response_id)


def _cancel_responses(response_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """Stops a response that is made in the background."""
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("cancel_responses", params, ResponsesAPIResponse, id=response_id)


def _list_input_items(
    response_id: str,
    after: str | None = None,
    before: str | None = None,
    include: list[str] | None = None,
    limit: int = 20,
    order: str = "desc",
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> Ask:
    """What a response was made of."""
    query = _query(after=after, before=before, include=include, limit=limit, order=order)
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("list_input_items", params, Page, id=response_id, query=query)


def _compact_responses(
    input: Any = None,
    model: str | None = None,
    instructions: str | None = None,
    previous_response_id: str | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> Ask:
    """Makes a conversation shorter."""
    params = {
        "input": input,
        "model": model,
        "instructions": instructions,
        "previous_response_id": previous_response_id,
        "custom_llm_provider": custom_llm_provider,
        **kwargs,
    }
    return Ask("compact_responses", params, ResponsesAPIResponse)


# Videos


def _video_generation(
    prompt: str,
    model: str | None = None,
    input_reference: Any = None,
    seconds: str | int | None = None,
    size: str | None = None,
    user: str | None = None,
    timeout: float | None = 600,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> Ask:
    """Has a film made of a text, or of a picture."""
    params: dict[str, Any] = {
        "model": model or "sora-2",
        "prompt": prompt,
        "seconds": None if seconds is None else str(seconds),
        "size": size,
        "user": user,
        "timeout": timeout,
        "custom_llm_provider": custom_llm_provider,
        **kwargs,
    }
    files: list[File] = []
    if input_reference is not None:
        params["input_reference"] = input_reference
        if not isinstance(input_reference, (str, dict)):
            _files.attach(params, "input_reference", files)
    return Ask("video_generation", params, VideoObject, files=files)


def _video_status(video_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """How far a film is."""
    return Ask("video_status", {"custom_llm_provider": custom_llm_provider, **kwargs}, VideoObject, id=video_id)


def _video_content(
    video_id: str, custom_llm_provider: str | None = None, variant: str | None = None, **kwargs: Any
) -> Ask:
    """A film's bytes."""
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("video_content", params, bytes, id=video_id, query=_query(variant=variant))


def _video_remix(video_id: str, prompt: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """Makes another film of one."""
    params = {"prompt": prompt, "custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("video_remix", params, VideoObject, id=video_id)


def _video_delete(video_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """Removes a film."""
    return Ask("video_delete", {"custom_llm_provider": custom_llm_provider, **kwargs}, VideoObject, id=video_id)


def _video_list(
    after: str | None = None,
    limit: int | None = None,
    order: str | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> Ask:
    """The films that there are."""
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("video_list", params, Page, query=_query(after=after, limit=limit, order=order))


# Training


def _create_fine_tuning_job(
    model: str,
    training_file: str,
    hyperparameters: dict[str, Any] | None = None,
    suffix: str | None = None,
    validation_file: str | None = None,
    integrations: list[Any] | None = None,
    seed: int | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> Ask:
    """Trains a model on a file."""
    params = {
        "model": model,
        "training_file": training_file,
        "hyperparameters": hyperparameters or None,
        "suffix": suffix,
        "validation_file": validation_file,
        "integrations": integrations,
        "seed": seed,
        "custom_llm_provider": custom_llm_provider or "openai",
        **kwargs,
    }
    return Ask("create_fine_tuning_job", params, LiteLLMFineTuningJob)


def _of_job(name: str, kind: Any, id: str, provider: str | None, kwargs: dict[str, Any], **query: Any) -> Ask:
    return Ask(name, {"custom_llm_provider": provider, **kwargs}, kind, id=id, query=_query(**query))


def _retrieve_fine_tuning_job(fine_tuning_job_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """How far a training job is."""
    return _of_job("retrieve_fine_tuning_job", LiteLLMFineTuningJob, fine_tuning_job_id, custom_llm_provider, kwargs)


def _cancel_fine_tuning_job(fine_tuning_job_id: str, custom_llm_provider: str | None = None, **kwargs: Any) -> Ask:
    """Stops a training job."""
    return _of_job("cancel_fine_tuning_job", LiteLLMFineTuningJob, fine_tuning_job_id, custom_llm_provider, kwargs)


def _list_fine_tuning_jobs(
    after: str | None = None, limit: int | None = None, custom_llm_provider: str | None = None, **kwargs: Any
) -> Ask:
    """The training jobs that there are."""
    params = {"custom_llm_provider": custom_llm_provider, **kwargs}
    return Ask("list_fine_tuning_jobs", params, Page, query=_query(after=after, limit=limit))


def _list_fine_tuning_events(
    fine_tuning_job_id: str,
    after: str | None = None,
    limit: int | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> Ask:
    """What happened to a training job."""
    return _of_job(
        "list_fine_tuning_events", Page, fine_tuning_job_id, custom_llm_provider, kwargs, after=after, limit=limit
    )


create_file, acreate_file = _both(_create_file)
file_retrieve, afile_retrieve = _both(_file_retrieve)
file_delete, afile_delete = _both(_file_delete)
file_list, afile_list = _both(_file_list)
file_content, afile_content = _both(_file_content)
create_batch, acreate_batch = _both(_create_batch)
retrieve_batch, aretrieve_batch = _both(_retrieve_batch)
cancel_batch, acancel_batch = _both(_cancel_batch)
list_batches, alist_batches = _both(_list_batches)
get_responses, aget_responses = _both(_get_responses)
delete_responses, adelete_responses = _both(_delete_responses)
cancel_responses, acancel_responses = _both(_cancel_responses)
list_input_items, alist_input_items = _both(_list_input_items)
compact_responses, acompact_responses = _both(_compact_responses)
video_generation, avideo_generation = _both(_video_generation)
video_status, avideo_status = _both(_video_status)
video_content, avideo_content = _both(_video_content)
video_remix, avideo_remix = _both(_video_remix)
video_delete, avideo_delete = _both(_video_delete)
video_list, avideo_list = _both(_video_list)
create_fine_tuning_job, acreate_fine_tuning_job = _both(_create_fine_tuning_job)
retrieve_fine_tuning_job, aretrieve_fine_tuning_job = _both(_retrieve_fine_tuning_job)
cancel_fine_tuning_job, acancel_fine_tuning_job = _both(_cancel_fine_tuning_job)
list_fine_tuning_jobs, alist_fine_tuning_jobs = _both(_list_fine_tuning_jobs)
list_fine_tuning_events, alist_fine_tuning_events = _both(_list_fine_tuning_events)
