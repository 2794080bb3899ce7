"""What a request consumed."""

from __future__ import annotations

from .base import Child, Model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PromptTokensDetailsWrapper(Model):
    """Input tokens by kind."""

    _fields = ("audio_tokens", "cached_tokens", "text_tokens", "image_tokens", "video_tokens")
    _absent = frozenset(_fields)
    _optional = frozenset(
        {
            "cache_write_tokens",
            "cache_creation_tokens",
            "cache_creation_token_details",
            "web_search_requests",
            "tool_use_tokens",
            "character_count",
            "image_count",
            "video_length_seconds",
            "audio_length_seconds",
            "query_count",
        }
    )
    audio_tokens: int | None = None
    cached_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None

    def _settle(self, index: int = 0) -> None:
        super()._settle()
        fields = self.__dict__
        written = fields.get("cache_write_tokens") or fields.get("cache_creation_tokens")
        if written:
            fields["cache_write_tokens"] = fields["cache_creation_tokens"] = written


PromptTokensDetails = PromptTokensDetailsWrapper


class CompletionTokensDetailsWrapper(Model):
    """Output tokens by kind."""

    _fields = (
        "accepted_prediction_tokens",
        "audio_tokens",
        "reasoning_tokens",
        "rejected_prediction_tokens",
        "text_tokens",
        "image_tokens",
        "video_tokens",
    )
    _absent = frozenset(_fields)
    accepted_prediction_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None


CompletionTokensDetails = CompletionTokensDetailsWrapper


class ServerToolUse(Model):
    """Calls of tools that the vendor ran."""

    _fields = ("web_search_requests", "tool_search_requests", "browser_open_requests")
    _absent = frozenset(_fields)
    web_search_requests: int | None = None
    tool_search_requests: int | None = None
    browser_open_requests: int | None = None


class Usage(Model):
    """Token counts. The prompt's include cached tokens, the answer's include reasoning."""

    _fields = (
        "completion_tokens",
        "prompt_tokens",
        "total_tokens",
        "completion_tokens_details",
        "prompt_tokens_details",
    )
    _absent = frozenset({"completion_tokens_details", "prompt_tokens_details"})
    _optional = frozenset({"cost", "server_tool_use"})
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details = Child(PromptTokensDetailsWrapper)
    completion_tokens_details = Child(CompletionTokensDetailsWrapper)
    server_tool_use = Child(ServerToolUse)

    def __init__(
        self,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        total_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        prompt_tokens_details: Any = None,
        completion_tokens_details: Any = None,
        server_tool_use: Any = None,
        cost: float | None = None,
        **fields: Any,
    ) -> None:
        if reasoning_tokens and completion_tokens_details is None:
            text = max((completion_tokens or 0) - reasoning_tokens, 0)
            completion_tokens_details = {"reasoning_tokens": reasoning_tokens, "text_tokens": text}
        super().__init__(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=total_tokens,
            prompt_tokens_details=prompt_tokens_details,
            completion_tokens_details=completion_tokens_details,
            server_tool_use=server_tool_use,
            cost=cost,
            **fields,
        )

    def _settle(self, index: int = 0) -> None:
        super()._settle()
        fields = self.__dict__
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if fields.get(name) is None:
                fields[name] = 0
        read = fields.get("cache_read_input_tokens") or fields.get("prompt_cache_hit_tokens")
        written = fields.get("cache_creation_input_tokens")
        if not read and not written:
            return
        details = fields.get("prompt_tokens_details")
        if details is None:
            details = fields["prompt_tokens_details"] = {}
        if read and not details.get("cached_tokens"):
            details["cached_tokens"] = read
        if written and not details.get("cache_creation_tokens"):
            details["cache_write_tokens"] = details["cache_creation_tokens"] = written

    @property
    def _cache_read_input_tokens(self) -> int:
        details = self.prompt_tokens_details
        return (details and details.cached_tokens) or 0

    @property
    def _cache_creation_input_tokens(self) -> int:
        details = self.prompt_tokens_details
        return (details and details.get("cache_creation_tokens")) or 0
