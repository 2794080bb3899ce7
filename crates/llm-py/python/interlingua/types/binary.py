"""Answers that are bytes: files, sound, films."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from typing import Any


class HttpxBinaryResponseContent:
    """Bytes under the names that httpx and the `openai` package give them.

    They are taken as they come where the caller takes them piece by piece, and are whole in memory only where somebody asks
    for all of them.
    """

    def __init__(self, content: bytes | ByteStream, hidden: Any = None) -> None:
        self._content = content if isinstance(content, bytes) else None
        self._stream = None if isinstance(content, bytes) else content
        self._hidden = hidden

    @property
    def content(self) -> bytes:
        """All bytes."""
        if self._content is None:
            self._content = b"".join(self._taken())
        return self._content

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
        if self._content is None:
            self._content = b"".join([piece async for piece in self._taken()])
        return self._content

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The bytes piece by piece."""
        for piece in self._pieces():
            yield from _cut(piece, chunk_size)

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The bytes piece by piece."""
        if self._content is not None:
            for part in _cut(self._content, chunk_size):
                yield part
            return
        async for piece in self._taken():
            for part in _cut(piece, chunk_size):
                yield part

    def iter_lines(self) -> Iterator[str]:
        """The text line by line."""
        return iter(self.text.splitlines())

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        """Writes the bytes into a file, as they come."""
        with open(file, "wb") as out:
            for piece in self._pieces():
                out.write(piece)

    def stream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        """Writes the bytes into a file, as they come."""
        self.write_to_file(file)

    async def astream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        """Writes the bytes into a file, as they come."""
        with open(file, "wb") as out:
            async for piece in self.aiter_bytes():
                out.write(piece)

    def close(self) -> None:
        """Hangs up, where bytes are still to come."""
        if self._stream is not None:
            self._stream.close()

    def _pieces(self) -> Iterable[bytes]:
        return [self._content] if self._content is not None else self._taken()

    def _taken(self) -> ByteStream:
        """The stream, which is there once."""
        if self._stream is None:
            raise RuntimeError("these bytes were taken piece by piece, and are not here any more")
        stream, self._stream = self._stream, None
        return stream


def _cut(piece: bytes, size: int | None) -> Iterator[bytes]:
    size = size or len(piece) or 1
    for at in range(0, len(piece), size):
        yield piece[at : at + size]


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
