"""Files as programs give them, as the native half takes them."""

from __future__ import annotations

import mimetypes
import os

from .exceptions import BadRequestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._native import File


def upload(given: Any, param: str = "file") -> File:
    """Bytes, a path, an open file, or a tuple `(name, contents, type)` of such: its name, its type, its contents.

    A file on disk is not read here: it goes out piece by piece.
    """
    name = kind = None
    if isinstance(given, tuple):
        if not 2 <= len(given) <= 4:
            raise BadRequestError(f"'{param}' must be (name, contents) or (name, contents, type)", param=param)
        name, contents = given[0], given[1]
        kind = given[2] if len(given) > 2 else None
    else:
        contents = given
    if isinstance(contents, (bytes, bytearray, memoryview)):
        data: bytes | str = bytes(contents)
    elif isinstance(contents, (str, os.PathLike)):
        data = os.fspath(contents) if not isinstance(contents, str) else contents
        name = name or os.path.basename(data)
    elif hasattr(contents, "read"):
        if name is None and isinstance(getattr(contents, "name", None), str):
            name = os.path.basename(contents.name)
        data = contents.read()
        if isinstance(data, str):
            data = data.encode()
    else:
        raise BadRequestError(f"'{param}' must be bytes, a path or an open file, not {type(contents).__name__}", param=param)
    if kind is None and name is not None:
        kind = mimetypes.guess_type(name)[0]
    return name, kind, data


def attach(params: dict[str, Any], name: str, files: list[File]) -> None:
    """Puts the file in `params[name]` on the list; its number stands for it from here on."""
    files.append(upload(params[name], name))
    params[name] = {"$file": len(files) - 1}
