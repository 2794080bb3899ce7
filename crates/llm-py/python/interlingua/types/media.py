"""Answers about images, sound, documents and the web."""

from __future__ import annotations

from .._native import new_id
from .base import Child, Model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ImageObject(Model):
    """One image: where it is, or what it is."""

    _fields = ("b64_json", "url", "revised_prompt", "provider_specific_fields")
    _absent = frozenset(_fields)
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    provider_specific_fields: dict[str, Any] | None = None


class ImageTokens(Model):
    """Tokens of pictures and of words."""

    _fields = ("image_tokens", "text_tokens")
    image_tokens: int
    text_tokens: int

    def _settle(self, index: int = 0) -> None:
        self.__dict__.setdefault("image_tokens", 0)
        self.__dict__.setdefault("text_tokens", 0)


class ImageUsage(Model):
    """What images consumed; zeros where the vendor counts no tokens."""

    _fields = ("input_tokens", "input_tokens_details", "output_tokens", "total_tokens")
    input_tokens: int
    input_tokens_details = Child(ImageTokens)
    output_tokens: int
    total_tokens: int

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        for name in ("input_tokens", "output_tokens", "total_tokens"):
            fields.setdefault(name, 0)
        if fields.get("input_tokens_details") is None:
            fields["input_tokens_details"] = {}


class ImageResponse(Model):
    """The images that were made."""

    _fields = ("created", "data", "usage")
    _absent = frozenset({"background", "quality", "output_format", "size"})
    created: int
    data = Child(ImageObject, many=True)
    usage = Child(ImageUsage)
    background: str | None = None
    quality: str | None = None
    output_format: str | None = None
    size: str | None = None

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        fields.setdefault("created", 0)
        if fields.get("data") is None:
            fields["data"] = []
        if fields.get("usage") is None:
            fields["usage"] = {}


class MediaEvent(Model):
    """One event of a streamed image or transcript."""


class TranscriptionResponse(Model):
    """What was heard. What else the vendor says (`language`, `duration`, `segments`, `words`) is there as it is."""

    _fields = ("text",)
    _absent = _fields
    text: str | None = None


class RerankResult(Model):
    """One document's place."""

    _fields = ("index", "relevance_score")
    index: int
    relevance_score: float


class RerankResponse(Model):
    """The order of documents, the best first."""

    __slots__ = ("_asked",)

    _fields = ("id", "results", "meta")
    _absent = frozenset({"meta"})
    _asked: list[Any]
    id: str
    results = Child(RerankResult, many=True)
    meta: dict[str, Any] | None = None

    def _settle(self, index: int = 0) -> None:
        fields = self.__dict__
        fields["id"] = fields.get("id") or new_id()
        if fields.get("results") is None:
            fields["results"] = []

    @property
    def documents(self) -> list[Any]:
        """The documents that were asked about: a result's `index` is a place in this list."""
        return getattr(self, "_asked", [])

    def __getitem__(self, key: str) -> Any:
        try:
            return getattr(self, key)
        except AttributeError:
            raise KeyError(key) from None


class Moderation(Model):
    """The verdict on one input."""

    _fields = ("flagged", "categories", "category_scores")
    flagged: bool
    categories = Child(Model)
    category_scores = Child(Model)


class ModerationCreateResponse(Model):
    """The verdicts, one for each input."""

    _fields = ("id", "model", "results")
    id: str
    model: str
    results = Child(Moderation, many=True)


class SearchResult(Model):
    """One page that was found."""

    _fields = ("title", "url", "snippet", "date", "last_updated")
    _absent = frozenset({"date", "last_updated"})
    title: str
    url: str
    snippet: str
    date: str | None = None
    last_updated: str | None = None


class SearchResponse(Model):
    """What was found, the best first."""

    _fields = ("object", "results")
    object: str
    results = Child(SearchResult, many=True)


class OCRImage(Model):
    """A picture on a page."""

    _fields = ("image_base64", "bbox")
    _absent = frozenset(_fields)
    image_base64: str | None = None
    bbox: Any = None


class OCRPage(Model):
    """One page that was read."""

    _fields = ("index", "markdown", "images", "dimensions")
    _absent = frozenset({"images", "dimensions"})
    index: int
    markdown: str
    images = Child(OCRImage, many=True)
    dimensions = Child(Model)


class OCRResponse(Model):
    """A document's pages."""

    _fields = ("pages", "model", "usage_info", "document_annotation", "object")
    _absent = frozenset({"model", "usage_info", "document_annotation"})
    pages = Child(OCRPage, many=True)
    model: str | None = None
    usage_info = Child(Model)
    document_annotation: Any = None
    object: str

    def _settle(self, index: int = 0) -> None:
        self.__dict__.setdefault("object", "ocr")
