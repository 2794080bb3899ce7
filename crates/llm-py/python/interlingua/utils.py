"""Helpers, and the response objects, under the path that programs written for LiteLLM import them from."""

__all__ = [name for name in dir() if not name.startswith("_")]
