"""What vendors keep: files, batches, training jobs, videos, and pages of them."""

from __future__ import annotations

from .dialects import Nested

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class OpenAIFileObject(Nested):
    """A file."""

    id: str
    object: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str | None = None
    expires_at: int | None = None
    status_details: str | None = None


class FileDeleted(Nested):
    """A file that is no more."""

    id: str
    object: str
    deleted: bool


class LiteLLMBatch(Nested):
    """A batch of requests."""

    id: str
    object: str
    endpoint: str
    input_file_id: str
    completion_window: str
    status: str
    created_at: int
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: Any = None
    request_counts: Any = None
    metadata: dict[str, str] | None = None
    usage: Any = None
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None


class LiteLLMFineTuningJob(Nested):
    """A training job."""

    id: str
    object: str
    model: str
    status: str
    created_at: int
    training_file: str
    validation_file: str | None = None
    fine_tuned_model: str | None = None
    finished_at: int | None = None
    trained_tokens: int | None = None
    error: Any = None
    hyperparameters: Any = None
    result_files: list[str]


class VideoObject(Nested):
    """A video, done or on its way."""

    id: str
    object: str
    status: str
    created_at: int | None = None
    completed_at: int | None = None
    expires_at: int | None = None
    error: Any = None
    progress: int | None = None
    remixed_from_video_id: str | None = None
    seconds: str | None = None
    size: str | None = None
    model: str | None = None
    usage: Any = None


class DeleteResponseResult(Nested):
    """A response that is no more."""

    id: str
    object: str
    deleted: bool


class Page(Nested):
    """Some of the things that there are: iterate it, or look at `data`."""

    data: list[Any]
    object: str
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__dict__.get("data") or ())

    def __len__(self) -> int:
        return len(self.__dict__.get("data") or ())

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: Any) -> Any:
        return self.data[key] if isinstance(key, (int, slice)) else super().__getitem__(key)
