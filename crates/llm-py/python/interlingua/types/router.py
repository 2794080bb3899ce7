"""What a router is made of, and what it says of itself, under the path that programs written for LiteLLM import it from."""

from __future__ import annotations

import uuid

from ..exceptions import RouterRateLimitError, RouterRateLimitErrorBasic
from .base import Child, Model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    class DeploymentTypedDict(TypedDict, total=False):
        """An entry of a model list, as a dict."""

        model_name: str
        litellm_params: dict[str, Any]
        model_info: dict[str, Any]
        rpm: int
        tpm: int

else:
    DeploymentTypedDict = dict

#: Parameters of deployments, as dicts.
LiteLLMParamsTypedDict = dict


class GenericLiteLLMParams(Model):
    """Where calls go and how. Any parameter of a call may be among them."""

    _absent = frozenset(
        {
            "api_base",
            "api_key",
            "api_version",
            "aws_region_name",
            "custom_llm_provider",
            "max_parallel_requests",
            "max_retries",
            "num_retries",
            "order",
            "organization",
            "region_name",
            "rpm",
            "stream_timeout",
            "tags",
            "timeout",
            "tpm",
            "vertex_location",
            "vertex_project",
            "weight",
        }
    )
    api_base: str | None = None
    api_key: str | None = None
    api_version: str | None = None
    aws_region_name: str | None = None
    custom_llm_provider: str | None = None
    max_parallel_requests: int | None = None
    max_retries: int | None = None
    num_retries: int | None = None
    order: int | None = None
    organization: str | None = None
    region_name: str | None = None
    rpm: int | None = None
    stream_timeout: float | None = None
    tags: list[str] | None = None
    timeout: float | None = None
    tpm: int | None = None
    vertex_location: str | None = None
    vertex_project: str | None = None
    weight: float | None = None


class LiteLLM_Params(GenericLiteLLMParams):
    """A model, where it is, and how it is called."""

    model: str

    def __init__(self, model: str, **params: Any) -> None:
        super().__init__(model=model, **params)


class ModelInfo(Model):
    """What is to be known of a deployment: its id, its prices, anything else."""

    _absent = frozenset({"base_model", "mode"})
    id: str
    base_model: str | None = None
    mode: str | None = None

    def __init__(self, id: str | int | None = None, **info: Any) -> None:
        super().__init__(id=str(uuid.uuid4()) if id is None else str(id), **info)


class Deployment(Model):
    """One of the deployments that answer for a name."""

    _fields = ("model_name", "litellm_params", "model_info")
    model_name: str
    litellm_params = Child(LiteLLM_Params)
    model_info = Child(ModelInfo)

    def __init__(self, model_name: str, litellm_params: Any, model_info: Any = None, **fields: Any) -> None:
        if model_info is None:
            model_info = ModelInfo()
        elif isinstance(model_info, dict):
            model_info = ModelInfo(**model_info)
        super().__init__(model_name=model_name, litellm_params=litellm_params, model_info=model_info, **fields)


class RetryPolicy(Model):
    """How often failures are tried again, by their class."""

    BadRequestErrorRetries: int | None = None
    AuthenticationErrorRetries: int | None = None
    TimeoutErrorRetries: int | None = None
    RateLimitErrorRetries: int | None = None
    ContentPolicyViolationErrorRetries: int | None = None
    InternalServerErrorRetries: int | None = None
    ServiceUnavailableErrorRetries: int | None = None
    NotFoundErrorRetries: int | None = None
    DefaultRetries: int | None = None


class AllowedFailsPolicy(Model):
    """How many failures of a class are tolerated before a deployment rests."""

    BadRequestErrorAllowedFails: int | None = None
    AuthenticationErrorAllowedFails: int | None = None
    TimeoutErrorAllowedFails: int | None = None
    RateLimitErrorAllowedFails: int | None = None
    ContentPolicyViolationErrorAllowedFails: int | None = None
    InternalServerErrorAllowedFails: int | None = None
    ServiceUnavailableErrorAllowedFails: int | None = None
    BadGatewayErrorAllowedFails: int | None = None
    NotFoundErrorAllowedFails: int | None = None


class RouterGeneralSettings(Model):
    """How a router treats what it does not know."""

    async_only_mode: bool = False
    pass_through_all_models: bool = False


class RouterConfig(Model):
    """The arguments of a router: `Router(**config.model_dump())`."""

    model_list: list[dict[str, Any]]

    def __init__(self, model_list: list[Any], **settings: Any) -> None:
        super().__init__(model_list=model_list, **settings)


class UpdateRouterConfig(Model):
    """Settings that `Router.update_settings` changes."""


class ModelGroupInfo(Model):
    """What the deployments of one name have in common."""

    _fields = (
        "model_group",
        "providers",
        "max_input_tokens",
        "max_output_tokens",
        "input_cost_per_token",
        "output_cost_per_token",
        "mode",
        "tpm",
        "rpm",
        "supports_parallel_function_calling",
        "supports_vision",
        "supports_web_search",
        "supports_url_context",
        "supports_reasoning",
        "supports_function_calling",
        "supported_openai_params",
    )
    model_group: str
    providers: list[str]
    max_input_tokens: float | None = None
    max_output_tokens: float | None = None
    input_cost_per_token: float | None = None
    output_cost_per_token: float | None = None
    mode: str | None = "chat"
    tpm: int | None = None
    rpm: int | None = None
    supports_parallel_function_calling: bool = False
    supports_vision: bool = False
    supports_web_search: bool = False
    supports_url_context: bool = False
    supports_reasoning: bool = False
    supports_function_calling: bool = False
    supported_openai_params: list[str] | None = None


class CustomRoutingStrategyBase:
    """Picks deployments in Python. What is not overridden leaves the pick to the router."""

    async def async_get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, Any]] | None = None,
        input: str | list[Any] | None = None,
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """An element of the router's `model_list`, for an asynchronous call."""
        return None

    def get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, Any]] | None = None,
        input: str | list[Any] | None = None,
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """An element of the router's `model_list`, for a synchronous call."""
        return None


__all__ = [
    "AllowedFailsPolicy",
    "CustomRoutingStrategyBase",
    "Deployment",
    "DeploymentTypedDict",
    "GenericLiteLLMParams",
    "LiteLLMParamsTypedDict",
    "LiteLLM_Params",
    "ModelGroupInfo",
    "ModelInfo",
    "RetryPolicy",
    "RouterConfig",
    "RouterGeneralSettings",
    "RouterRateLimitError",
    "RouterRateLimitErrorBasic",
    "UpdateRouterConfig",
]
