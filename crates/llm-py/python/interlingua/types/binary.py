"""Answers that are bytes: files, sound, films."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any


class HttpxBinaryResponseContent:
    """Bytes that came whole, under the names that httpx and the `openai` package give them."""

    def __init__(self, content: bytes, hidden: Any = None) -> None:
        self.content = content
        self._hidden = hidden

    @property
    def _hidden_params(self) -> dict[str, Any]:
        if callable(self._hidden):
            self._hidden = self._hidden()
        return self._hidden or {}

    @property
    def text(self) -> str:
        """The bytes as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The bytes as JSON."""
        return json.loads(self.content)

    def read(self) -> bytes:
        """The bytes."""
        return self.content

    async def aread(self) -> bytes:
        """The bytes."""
        return self.content

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The bytes piece by piece."""
        size = chunk_size or len(self.content) or 1
        for at in range(0, len(self.content), size):
            yield self.content[at : at + size]

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The bytes piece by piece."""
        for piece in self.iter_bytes(chunk_size):
            yield piece

    def iter_lines(self) -> Iterator[str]:
        """The text line by line."""
        return iter(self.text.splitlines())

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        """Writes the bytes into a file."""
        with open(file, "wb") as out:
            out.write(self.content)

    def stream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        """Writes the bytes into a file."""
        self.write_to_file(file)

    async def astream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        """Writes the bytes into a file."""
        self.write_to_file(file)

    def close(self) -> None:
        """Does nothing: all bytes are here."""


class ByteStream:
    """Bytes as they come: iterate it, with `for` or with `async for`. An answer that is cut short raises."""

    def __init__(self, stream: Any, meta: Any) -> None:
        self._stream = stream
        self._hidden = meta.hidden

    @property
    def _hidden_params(self) -> dict[str, Any]:
        hidden: dict[str, Any] = self._hidden()
        return hidden

    def __iter__(self) -> Iterator[bytes]:
        while pieces := self._stream.wait():
            yield from pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        from .._bridge import bridge

        while pieces := await bridge().result(self._stream):
            for piece in pieces:
                yield piece

    def close(self) -> None:
        """Hangs up."""
        self._stream.cancel()
