"""Google's generateContent, under LiteLLM's path."""

from ._dialects import (
    GenerateContentStream,
    agenerate_content,
    agenerate_content_stream,
    generate_content,
    generate_content_stream,
)

__all__ = [
    "GenerateContentStream",
    "agenerate_content",
    "agenerate_content_stream",
    "generate_content",
    "generate_content_stream",
]
