"""Calls besides chat: images, sound, reranking, moderation, search and text recognition."""

from __future__ import annotations

from . import _files as _files_of
from . import _request
from ._dialects import _event
from ._stream import CustomStreamWrapper
from .exceptions import BadRequestError
from .main import _answer, _settled
from .types.binary import ByteStream, HttpxBinaryResponseContent
from .types.media import (
    ImageResponse,
    MediaEvent,
    ModerationCreateResponse,
    OCRResponse,
    RerankResponse,
    SearchResponse,
    TranscriptionResponse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._native import File, Meta

    #: What callers give for a file.
    Given = Any


class MediaStream(CustomStreamWrapper):
    """A streamed image or transcript: iterate it, with `for` or with `async for`."""

    def _take(self) -> Any:
        return _event(self, MediaEvent)


# Images


def image_generation(
    prompt: str,
    model: str | None = None,
    n: int | None = None,
    quality: str | None = None,
    response_format: str | None = None,
    size: str | None = None,
    style: str | None = None,
    user: str | None = None,
    timeout: float | None = 600,
    api_key: str | None = None,
    api_base: str | None = None,
    api_version: str | None = None,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> ImageResponse | MediaStream:
    """Makes images of a text."""
    return _images(*_call("image_generation", _given(locals(), model or "dall-e-2")))


async def aimage_generation(prompt: str, model: str | None = None, **kwargs: Any) -> ImageResponse | MediaStream:
    """Makes images of a text; takes what `image_generation` takes."""
    params = _given({"prompt": prompt, "timeout": 600, **kwargs}, model or "dall-e-2")
    return _images(*await _acall("image_generation", params))


def image_edit(
    image: Given,
    prompt: str,
    model: str | None = None,
    mask: Given = None,
    n: int | None = None,
    quality: str | None = None,
    response_format: str | None = None,
    size: str | None = None,
    user: str | None = None,
    timeout: float | None = 600,
    custom_llm_provider: str | None = None,
    **kwargs: Any,
) -> ImageResponse | MediaStream:
    """Changes images as a text says: one or several, wherever a mask shows."""
    return _images(*_call("image_edit", _given(locals(), model or "dall-e-2"), "image", "mask"))


async def aimage_edit(image: Given, prompt: str, model: str | None = None, **kwargs: Any) -> ImageResponse | MediaStream:
    """Changes images as a text says; takes what `image_edit` takes."""
    params = _given({"image": image, "prompt": prompt, "timeout": 600, **kwargs}, model or "dall-e-2")
    return _images(*await _acall("image_edit", params, "image", "mask"))


def image_variation(
    image: Given,
    model: str = "dall-e-2",
    n: int = 1,
    response_format: str = "url",
    size: str | None = None,
    user: str | None = None,
    **kwargs: Any,
) -> ImageResponse:
    """Makes images that are like one."""
    return _images(*_call("image_variation", _given(locals(), model), "image"))


async def aimage_variation(image: Given, model: str = "dall-e-2", **kwargs: Any) -> ImageResponse:
    """Makes images that are like one; takes what `image_variation` takes."""
    params = _given({"image": image, "n": 1, "response_format": "url", **kwargs}, model)
    return _images(*await _acall("image_variation", params, "image"))


# Sound


def transcription(
    model: str,
    file: Given,
    language: str | None = None,
    prompt: str | None = None,
    response_format: str | None = None,
    timestamp_granularities: list[str] | None = None,
    temperature: float | None = None,
    user: str | None = None,
    timeout: float | None = 600,
    api_key: str | None = None,
    api_base: str | None = None,
    api_version: str | None = None,
    max_retries: int | None = None,
    custom_llm_provider: str | None = None,
    base_url: str | None = None,
    **kwargs: Any,
) -> TranscriptionResponse | MediaStream:
    """Writes down what is said in a recording."""
    return _heard(*_call("transcription", _listening(_given(locals(), model)), "file"))


async def atranscription(model: str, file: Given, **kwargs: Any) -> TranscriptionResponse | MediaStream:
    """Writes down what is said in a recording; takes what `transcription` takes."""
    params = _listening(_given({"file": file, "timeout": 600, **kwargs}, model))
    return _heard(*await _acall("transcription", params, "file"))


def translation(model: str, file: Given, **kwargs: Any) -> TranscriptionResponse:
    """Writes down in English what is said in a recording."""
    return _heard(*_call("translation", _given({"file": file, "timeout": 600, **kwargs}, model), "file"))


async def atranslation(model: str, file: Given, **kwargs: Any) -> TranscriptionResponse:
    """Writes down in English what is said in a recording."""
    params = _given({"file": file, "timeout": 600, **kwargs}, model)
    return _heard(*await _acall("translation", params, "file"))


def speech(
    model: str,
    input: str,
    voice: Any = None,
    api_key: str | None = None,
    api_base: str | None = None,
    api_version: str | None = None,
    organization: str | None = None,
    project: str | None = None,
    max_retries: int | None = None,
    metadata: dict[str, Any] | None = None,
    timeout: float | None = None,
    response_format: str | None = None,
    speed: float | None = None,
    instructions: str | None = None,
    client: Any = None,
    headers: dict[str, str] | None = None,
    custom_llm_provider: str | None = None,
    base_url: str | None = None,
    **kwargs: Any,
) -> HttpxBinaryResponseContent:
    """Reads a text aloud. Chat models that speak do so, too; without a voice a usual one is taken."""
    sound, meta = _call("speech", _given(locals(), model))
    if type(sound) is not bytes:
        sound = ByteStream(sound, meta)
    return HttpxBinaryResponseContent(sound, meta.hidden)


async def aspeech(model: str, input: str, voice: Any = None, **kwargs: Any) -> HttpxBinaryResponseContent:
    """Reads a text aloud; takes what `speech` takes.

    The sound is taken as it comes: `aiter_bytes`, `aread` and `astream_to_file` wait without holding up the loop.
    """
    sound, meta = await _acall("speech", _given({"input": input, "voice": voice, **kwargs}, model))
    if type(sound) is not bytes:
        sound = ByteStream(sound, meta)
    return HttpxBinaryResponseContent(sound, meta.hidden)


# Documents and the web


def rerank(
    model: str,
    query: str,
    documents: list[str | dict[str, Any]],
    custom_llm_provider: str | None = None,
    top_n: int | None = None,
    rank_fields: list[str] | None = None,
    return_documents: bool | None = True,
    max_chunks_per_doc: int | None = None,
    max_tokens_per_doc: int | None = None,
    **kwargs: Any,
) -> RerankResponse:
    """Orders documents by how well they answer a query."""
    params = _given(locals(), model)
    return _ranked(documents, *_call("rerank", params))


async def arerank(model: str, query: str, documents: list[str | dict[str, Any]], **kwargs: Any) -> RerankResponse:
    """Orders documents by how well they answer a query; takes what `rerank` takes."""
    params = _given({"query": query, "documents": documents, **kwargs}, model)
    return _ranked(documents, *await _acall("rerank", params))


def moderation(input: Any, model: str | None = None, api_key: str | None = None, **kwargs: Any) -> ModerationCreateResponse:
    """Judges whether texts and images are acceptable."""
    params = _judging({"input": input, "api_key": api_key, **kwargs}, model)
    return _answer(ModerationCreateResponse, *_call("moderation", params))


async def amoderation(
    input: Any, model: str | None = None, api_key: str | None = None, **kwargs: Any
) -> ModerationCreateResponse:
    """Judges whether texts and images are acceptable; takes what `moderation` takes."""
    params = _judging({"input": input, "api_key": api_key, **kwargs}, model)
    return _answer(ModerationCreateResponse, *await _acall("moderation", params))


def search(query: str | list[str], search_provider: str | None = None, **kwargs: Any) -> SearchResponse:
    """Searches the web: `max_results`, `search_domain_filter`, `max_tokens_per_page`, `country`.

    A router's `search` names one of its `search_tools` as `search_tool_name`.
    """
    return _answer(SearchResponse, *_call("search", _searching(query, search_provider, kwargs)))


async def asearch(query: str | list[str], search_provider: str | None = None, **kwargs: Any) -> SearchResponse:
    """Searches the web; takes what `search` takes."""
    return _answer(SearchResponse, *await _acall("search", _searching(query, search_provider, kwargs)))


def ocr(model: str, document: dict[str, Any], **kwargs: Any) -> OCRResponse:
    """Reads the text of a document or a picture: `{"type": "document_url", "document_url": ...}`."""
    return _answer(OCRResponse, *_call("ocr", _given({"document": document, **kwargs}, model)))


async def aocr(model: str, document: dict[str, Any], **kwargs: Any) -> OCRResponse:
    """Reads the text of a document or a picture; takes what `ocr` takes."""
    return _answer(OCRResponse, *await _acall("ocr", _given({"document": document, **kwargs}, model)))


# How calls are made


def _given(arguments: dict[str, Any], model: str | None) -> dict[str, Any]:
    params = {**arguments, **arguments.get("kwargs", {}), "model": model}
    params.pop("kwargs", None)
    if "base_url" in params and params.get("api_base") is None:
        params["api_base"] = params.pop("base_url")
    return {name: value for name, value in params.items() if value is not None}


def _call(op: str, params: dict[str, Any], *uploads: str) -> tuple[Any, Meta]:
    files = _files(params, uploads)
    client, params = _settled(params)
    return client.call(op, _request.body(params), files=files)


async def _acall(op: str, params: dict[str, Any], *uploads: str) -> tuple[Any, Meta]:
    from ._bridge import bridge

    files = _files(params, uploads)
    client, params = _settled(params)
    return await bridge().result(client.start(op, _request.body(params), files=files))


def _files(params: dict[str, Any], names: tuple[str, ...]) -> list[File]:
    """Takes the files out of the arguments: what stays in their places says which of the list is meant."""
    files: list[File] = []
    for name in names:
        if not isinstance(params.get(name), list):
            if name in params:
                _files_of.attach(params, name, files)
            continue
        several = params.pop(name)
        places = [{"$file": len(files) + at} for at in range(len(several))]
        files.extend(_files_of.upload(one, name) for one in several)
        params[name if len(places) == 1 else f"{name}[]"] = places
    return files


def _listening(params: dict[str, Any]) -> dict[str, Any]:
    detail = params.pop("timestamp_granularities", None)
    if detail:
        params["timestamp_granularities[]"] = list(detail)
    return params


def _judging(params: dict[str, Any], model: str | None) -> dict[str, Any]:
    if model is None:
        model = "omni-moderation-latest"
        params.setdefault("custom_llm_provider", "openai")
    return _given(params, model)


def _searching(query: Any, provider: str | None, params: dict[str, Any]) -> dict[str, Any]:
    model = params.pop("model", None)
    if model is None and provider is None:
        if "search_tool_name" not in params:
            raise BadRequestError("'search_provider' is missing", param="search_provider")
        return _given({"query": query, **params}, None)
    return _given({"query": query, **params}, model or f"{provider}/search")


def _images(answer: Any, meta: Meta) -> Any:
    if type(answer) is str:
        return _answer(ImageResponse, answer, meta)
    return MediaStream(answer, meta)


def _heard(answer: Any, meta: Meta) -> Any:
    if type(answer) is not str:
        return MediaStream(answer, meta)
    if answer.lstrip().startswith("{"):
        return _answer(TranscriptionResponse, answer, meta)
    heard = TranscriptionResponse(text=answer)
    heard._hidden = meta.hidden
    return heard


def _ranked(documents: list[Any], answer: str, meta: Meta) -> RerankResponse:
    ranked: RerankResponse = _answer(RerankResponse, answer, meta)
    ranked._asked = list(documents)
    return ranked
