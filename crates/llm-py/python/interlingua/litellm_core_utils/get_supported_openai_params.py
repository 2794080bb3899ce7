"""The one function that programs written for LiteLLM import from here."""

from .._models import get_supported_openai_params

__all__ = ["get_supported_openai_params"]
