"""One API for every LLM.

Names, arguments, answers and exceptions are LiteLLM's. Settings are attributes of this module and are read
at each call: `interlingua.drop_params = True`. Error texts begin with `litellm.<Class>: `, because programs look for that.
"""

from __future__ import annotations

import os

from . import exceptions, main
from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    AzureOpenAIError,
    BadGatewayError,
    BadRequestError,
    BudgetExceededError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    ImageFetchError,
    InternalServerError,
    InvalidRequestError,
    JSONSchemaValidationError,
    NotFoundError,
    OpenAIError,
    RateLimitError,
    RouterRateLimitError,
    ServiceUnavailableError,
    Timeout,
    UnprocessableEntityError,
    UnsupportedParamsError,
)
from .main import (
    CustomStreamWrapper,
    acompletion,
    aembedding,
    atext_completion,
    batch_completion,
    completion,
    embedding,
    stream_chunk_builder,
    text_completion,
)
from .types.chat import (
    ChatCompletionDeltaToolCall,
    ChatCompletionMessageToolCall,
    Choices,
    Delta,
    Function,
    Message,
    ModelResponse,
    ModelResponseStream,
    StreamingChoices,
)
from .types.other import EmbeddingResponse, TextCompletionResponse
from .types.usage import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._dialects import (
        agenerate_content,
        agenerate_content_stream,
        aresponses,
        generate_content,
        generate_content_stream,
        responses,
    )
    from ._kept import (
        acancel_batch,
        acancel_fine_tuning_job,
        acancel_responses,
        acompact_responses,
        acreate_batch,
        acreate_file,
        acreate_fine_tuning_job,
        adelete_responses,
        afile_content,
        afile_delete,
        afile_list,
        afile_retrieve,
        aget_responses,
        alist_batches,
        alist_fine_tuning_events,
        alist_fine_tuning_jobs,
        alist_input_items,
        aretrieve_batch,
        aretrieve_fine_tuning_job,
        avideo_content,
        avideo_delete,
        avideo_generation,
        avideo_list,
        avideo_remix,
        avideo_status,
        cancel_batch,
        cancel_fine_tuning_job,
        cancel_responses,
        compact_responses,
        create_batch,
        create_file,
        create_fine_tuning_job,
        delete_responses,
        file_content,
        file_delete,
        file_list,
        file_retrieve,
        get_responses,
        list_batches,
        list_fine_tuning_events,
        list_fine_tuning_jobs,
        list_input_items,
        retrieve_batch,
        retrieve_fine_tuning_job,
        video_content,
        video_delete,
        video_generation,
        video_list,
        video_remix,
        video_status,
    )
    from ._models import (
        completion_cost,
        cost_per_token,
        decode,
        encode,
        get_llm_provider,
        get_max_tokens,
        get_model_info,
        get_supported_openai_params,
        register_model,
        supports_audio_input,
        supports_audio_output,
        supports_function_calling,
        supports_parallel_function_calling,
        supports_reasoning,
        supports_response_schema,
        supports_system_messages,
        supports_url_context,
        supports_vision,
        supports_web_search,
        token_counter,
        validate_environment,
    )
    from .router import Router
    from .types.router import (
        AllowedFailsPolicy,
        CustomRoutingStrategyBase,
        Deployment,
        LiteLLM_Params,
        ModelGroupInfo,
        ModelInfo,
        RetryPolicy,
        RouterConfig,
    )

    model_cost: dict[str, dict[str, Any]]
    model_list: list[str]
    model_list_set: set[str]
    models_by_provider: dict[str, list[str]]
    provider_list: list[str]
    LlmProviders: Any


def _flag(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("true", "1")


# Settings. Each call reads them anew.

api_key: str | None = None
api_base: str | None = None
api_version: str | None = None
organization: str | None = None
headers: dict[str, str] | None = None
drop_params: bool = _flag("LITELLM_DROP_PARAMS")
modify_params: bool = _flag("LITELLM_MODIFY_PARAMS")
num_retries: int | None = None
request_timeout: float = float(os.environ.get("REQUEST_TIMEOUT") or 6000)
max_tokens: int = 4096
model_alias_map: dict[str, str] = {}
cost_discount_config: dict[str, float] = {}
cost_margin_config: dict[str, Any] = {}
vertex_project: str | None = None
vertex_location: str | None = None

openai_key: str | None = None
anthropic_key: str | None = None
azure_key: str | None = None
cohere_key: str | None = None
replicate_key: str | None = None
openrouter_key: str | None = None
groq_key: str | None = None
xai_key: str | None = None
databricks_key: str | None = None
huggingface_key: str | None = None
togetherai_api_key: str | None = None
cloudflare_api_key: str | None = None

# Settings that are accepted and change nothing here: they steer what this library does not do by itself.

suppress_debug_info: bool = False
set_verbose: bool = False
telemetry: bool = False

#: Found when first asked for: the name, and the module that has it.
_LATER: dict[str, str] = {
    **dict.fromkeys(
        (
            "completion_cost",
            "cost_per_token",
            "decode",
            "encode",
            "get_llm_provider",
            "get_max_tokens",
            "get_model_info",
            "get_supported_openai_params",
            "register_model",
            "supports_audio_input",
            "supports_audio_output",
            "supports_function_calling",
            "supports_parallel_function_calling",
            "supports_reasoning",
            "supports_response_schema",
            "supports_system_messages",
            "supports_url_context",
            "supports_vision",
            "supports_web_search",
            "token_counter",
            "validate_environment",
        ),
        "_models",
    ),
    **dict.fromkeys(
        (
            "agenerate_content",
            "agenerate_content_stream",
            "aresponses",
            "generate_content",
            "generate_content_stream",
            "responses",
        ),
        "_dialects",
    ),
    **dict.fromkeys(
        (
            "acancel_batch",
            "acancel_fine_tuning_job",
            "acancel_responses",
            "acompact_responses",
            "acreate_batch",
            "acreate_file",
            "acreate_fine_tuning_job",
            "adelete_responses",
            "afile_content",
            "afile_delete",
            "afile_list",
            "afile_retrieve",
            "aget_responses",
            "alist_batches",
            "alist_fine_tuning_events",
            "alist_fine_tuning_jobs",
            "alist_input_items",
            "aretrieve_batch",
            "aretrieve_fine_tuning_job",
            "avideo_content",
            "avideo_delete",
            "avideo_generation",
            "avideo_list",
            "avideo_remix",
            "avideo_status",
            "cancel_batch",
            "cancel_fine_tuning_job",
            "cancel_responses",
            "compact_responses",
            "create_batch",
            "create_file",
            "create_fine_tuning_job",
            "delete_responses",
            "file_content",
            "file_delete",
            "file_list",
            "file_retrieve",
            "get_responses",
            "list_batches",
            "list_fine_tuning_events",
            "list_fine_tuning_jobs",
            "list_input_items",
            "retrieve_batch",
            "retrieve_fine_tuning_job",
            "video_content",
            "video_delete",
            "video_generation",
            "video_list",
            "video_remix",
            "video_status",
        ),
        "_kept",
    ),
    **dict.fromkeys(
        ("FileDeleted", "LiteLLMBatch", "LiteLLMFineTuningJob", "OpenAIFileObject", "VideoObject"), "types.kept"
    ),
    "HttpxBinaryResponseContent": "types.binary",
    **dict.fromkeys(
        (
            "PermissionDeniedError",
            "PaymentRequiredError",
            "RejectedRequestError",
            "MidStreamFallbackError",
            "MockException",
            "ModelNotMappedError",
            "RouterRateLimitErrorBasic",
            "GuardrailRaisedException",
            "BlockedPiiEntityError",
            "LiteLLMUnknownProvider",
        ),
        "exceptions",
    ),
    **dict.fromkeys(("model_list", "model_list_set", "models_by_provider", "provider_list", "LlmProviders"), "_lists"),
    **dict.fromkeys(("utils", "types", "cost_calculator", "router", "google_genai"), ""),
    "Router": "router",
    **dict.fromkeys(
        (
            "AllowedFailsPolicy",
            "CustomRoutingStrategyBase",
            "Deployment",
            "DeploymentTypedDict",
            "LiteLLM_Params",
            "ModelGroupInfo",
            "ModelInfo",
            "RetryPolicy",
            "RouterConfig",
            "RouterGeneralSettings",
        ),
        "types.router",
    ),
    "model_cost": "_lists",
    "ModelResponseBase": "types.chat",
    "Embedding": "types.other",
    "TextChoices": "types.other",
    "ResponsesAPIResponse": "types.dialects",
    "GenerateContentResponse": "types.dialects",
}

#: Programs that check every name ending in `Error` know LiteLLM's list, and these are not on it.
_UNLISTED = frozenset(
    {
        "PermissionDeniedError",
        "PaymentRequiredError",
        "RejectedRequestError",
        "MidStreamFallbackError",
        "ModelNotMappedError",
        "BlockedPiiEntityError",
    }
)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from ._native import __version__

        return __version__
    home = _LATER.get(name)
    if home is None:
        raise AttributeError(f"module 'interlingua' has no attribute '{name}'")
    from importlib import import_module

    if home == "":
        return import_module(f".{name}", __name__)
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted((set(globals()) | set(_LATER)) - _UNLISTED)


__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "AllowedFailsPolicy",
    "AuthenticationError",
    "AzureOpenAIError",
    "BadGatewayError",
    "BadRequestError",
    "BudgetExceededError",
    "ChatCompletionDeltaToolCall",
    "ChatCompletionMessageToolCall",
    "Choices",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "CustomRoutingStrategyBase",
    "CustomStreamWrapper",
    "Delta",
    "Deployment",
    "EmbeddingResponse",
    "Function",
    "ImageFetchError",
    "InternalServerError",
    "InvalidRequestError",
    "JSONSchemaValidationError",
    "LiteLLM_Params",
    "Message",
    "ModelGroupInfo",
    "ModelInfo",
    "ModelResponse",
    "ModelResponseStream",
    "NotFoundError",
    "OpenAIError",
    "RateLimitError",
    "RetryPolicy",
    "Router",
    "RouterConfig",
    "RouterRateLimitError",
    "ServiceUnavailableError",
    "StreamingChoices",
    "TextCompletionResponse",
    "Timeout",
    "UnprocessableEntityError",
    "UnsupportedParamsError",
    "Usage",
    "acancel_batch",
    "acancel_fine_tuning_job",
    "acancel_responses",
    "acompact_responses",
    "acompletion",
    "acreate_batch",
    "acreate_file",
    "acreate_fine_tuning_job",
    "adelete_responses",
    "aembedding",
    "afile_content",
    "afile_delete",
    "afile_list",
    "afile_retrieve",
    "agenerate_content",
    "agenerate_content_stream",
    "aget_responses",
    "alist_batches",
    "alist_fine_tuning_events",
    "alist_fine_tuning_jobs",
    "alist_input_items",
    "aresponses",
    "aretrieve_batch",
    "aretrieve_fine_tuning_job",
    "atext_completion",
    "avideo_content",
    "avideo_delete",
    "avideo_generation",
    "avideo_list",
    "avideo_remix",
    "avideo_status",
    "batch_completion",
    "cancel_batch",
    "cancel_fine_tuning_job",
    "cancel_responses",
    "compact_responses",
    "completion",
    "completion_cost",
    "cost_per_token",
    "create_batch",
    "create_file",
    "create_fine_tuning_job",
    "decode",
    "delete_responses",
    "embedding",
    "encode",
    "exceptions",
    "file_content",
    "file_delete",
    "file_list",
    "file_retrieve",
    "generate_content",
    "generate_content_stream",
    "get_llm_provider",
    "get_max_tokens",
    "get_model_info",
    "get_responses",
    "get_supported_openai_params",
    "list_batches",
    "list_fine_tuning_events",
    "list_fine_tuning_jobs",
    "list_input_items",
    "main",
    "register_model",
    "responses",
    "retrieve_batch",
    "retrieve_fine_tuning_job",
    "stream_chunk_builder",
    "supports_audio_input",
    "supports_audio_output",
    "supports_function_calling",
    "supports_parallel_function_calling",
    "supports_reasoning",
    "supports_response_schema",
    "supports_system_messages",
    "supports_url_context",
    "supports_vision",
    "supports_web_search",
    "text_completion",
    "token_counter",
    "validate_environment",
    "video_content",
    "video_delete",
    "video_generation",
    "video_list",
    "video_remix",
    "video_status",
]
