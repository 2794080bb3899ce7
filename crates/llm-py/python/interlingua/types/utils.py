"""All response objects under the path that programs written for LiteLLM import them from."""

from .base import Model as OpenAIObject
from .chat import (
    ChatCompletionDeltaToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionTokenLogprob,
    ChoiceLogprobs,
    Choices,
    Delta,
    Function,
    FunctionCall,
    Message,
    ModelResponse,
    ModelResponseBase,
    ModelResponseStream,
    StreamingChoices,
    TopLogprob,
)
from .other import Embedding, EmbeddingResponse, Logprobs, TextChoices, TextCompletionResponse
from .usage import (
    CompletionTokensDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetails,
    PromptTokensDetailsWrapper,
    ServerToolUse,
    Usage,
)

__all__ = [
    "ChatCompletionDeltaToolCall",
    "ChatCompletionMessageToolCall",
    "ChatCompletionTokenLogprob",
    "ChoiceLogprobs",
    "Choices",
    "CompletionTokensDetails",
    "CompletionTokensDetailsWrapper",
    "Delta",
    "Embedding",
    "EmbeddingResponse",
    "Function",
    "FunctionCall",
    "Logprobs",
    "Message",
    "ModelResponse",
    "ModelResponseBase",
    "ModelResponseStream",
    "OpenAIObject",
    "PromptTokensDetails",
    "PromptTokensDetailsWrapper",
    "ServerToolUse",
    "StreamingChoices",
    "TextChoices",
    "TextCompletionResponse",
    "TopLogprob",
    "Usage",
]
