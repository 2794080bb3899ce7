"""Streams, under the path that programs written for LiteLLM import them from."""

from .._stream import CustomStreamWrapper
from ..types.chat import ModelResponseStream, StreamingChoices

__all__ = ["CustomStreamWrapper", "ModelResponseStream", "StreamingChoices"]
