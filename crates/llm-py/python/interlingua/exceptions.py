"""Everything that can be raised.

Where the `openai` package is loaded, each class also descends from the class of the same name there, so
`except openai.RateLimitError` catches ours. The package is never imported for that: the classes are joined when the
first error after its import is made. The one limit: an error that was made before `openai` was imported for the first
time is told from then on only from the next error of any class.
"""

from __future__ import annotations

import math
import sys

from ._failure import Response, _ApiFailure, _rebuilt, _Rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AuthenticationError(_ApiFailure):
    """The key is missing or wrong."""

    status_code = 401


class NotFoundError(_ApiFailure):
    """No such model, deployment or path."""

    status_code = 404


class BadRequestError(_ApiFailure):
    """The request is wrong."""

    status_code = 400


class ContextWindowExceededError(BadRequestError):
    """The prompt is longer than the model's window."""


class ContentPolicyViolationError(BadRequestError):
    """The vendor's content policy refuses."""

    provider_specific_fields: dict[str, Any] | None = None


class RejectedRequestError(BadRequestError):
    """A check refused the request before it was sent."""

    request_data: Any = None


class UnsupportedParamsError(BadRequestError):
    """A parameter that this model cannot take; `drop_params=True` drops it."""


class PaymentRequiredError(BadRequestError):
    """Money is missing at the vendor."""

    status_code = 402


class ImageFetchError(BadRequestError):
    """An image that the request names cannot be fetched."""


class LiteLLMUnknownProvider(BadRequestError):
    """There is no such provider."""


class InvalidRequestError(_ApiFailure):
    """The request is wrong: an older name, for programs that still catch it."""

    status_code = 400


class UnprocessableEntityError(_ApiFailure):
    """Well-formed, and still not processable."""

    status_code = 422


class PermissionDeniedError(_ApiFailure):
    """The key may not do this."""

    status_code = 403


class RateLimitError(_ApiFailure):
    """Too many requests or tokens."""

    status_code = 429
    code = "429"
    type = "throttling_error"
    category: str = "vendor_rate_limit"
    rate_limit_type: str | None = None
    detail: Any = None


class Timeout(_ApiFailure):
    """Nothing came in time."""

    status_code = 408


class InternalServerError(_ApiFailure):
    """The vendor failed."""

    status_code = 500
    type = "internal_server_error"


class ServiceUnavailableError(_ApiFailure):
    """The vendor is overloaded or being worked on."""

    status_code = 503


class MidStreamFallbackError(ServiceUnavailableError):
    """A stream of a call with fallbacks broke. What had come until then is in `generated_content`."""

    def __init__(
        self,
        message: str = "",
        model: str | None = None,
        llm_provider: str | None = None,
        original_exception: BaseException | None = None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        generated_content: str = "",
        is_pre_first_chunk: bool = False,
        **facts: Any,
    ) -> None:
        # LiteLLM's order of arguments is another one here, and the status is that of the cause.
        facts.setdefault("status_code", getattr(original_exception, "status_code", None))
        facts.setdefault("headers", getattr(original_exception, "headers", None))
        text = f"litellm.MidStreamFallbackError: {message}"
        super().__init__(
            text, llm_provider, model, response, litellm_debug_info, max_retries, num_retries, **facts
        )
        self.original_exception = original_exception
        self.generated_content = generated_content
        self.is_pre_first_chunk = is_pre_first_chunk


class BadGatewayError(_ApiFailure):
    """A gateway before the vendor failed."""

    status_code = 502


class APIError(_ApiFailure):
    """Any other failure."""

    def __init__(self, status_code: int = 500, message: str = "", *args: Any, **facts: Any) -> None:
        # LiteLLM's order of arguments is another one here.
        super().__init__(message, *args, status_code=status_code, **facts)


class MockException(_ApiFailure):
    """A failure that a mock was asked for."""

    def __init__(self, status_code: int = 500, message: str = "", *args: Any, **facts: Any) -> None:
        super().__init__(message, *args, status_code=status_code, **facts)


class APIConnectionError(_ApiFailure):
    """The connection could not be made, or broke."""

    status_code = 500


class APIResponseValidationError(_ApiFailure):
    """The answer is not what the vendor documents."""

    status_code = 500


class JSONSchemaValidationError(APIResponseValidationError):
    """The answer does not match the schema that was asked for."""

    raw_response: str | None = None
    schema: Any = None


class OpenAIError(_Rooted):
    """An older base class."""

    def __init__(self, original_exception: Any = None) -> None:
        super().__init__(str(original_exception))


class AzureOpenAIError(_Rooted):
    """An older base class."""

    def __init__(self, status_code: int = 500, message: str = "", **_: Any) -> None:
        self.status_code = status_code
        self.message = message
        super().__init__(message)


class BudgetExceededError(Exception):
    """More was spent than is allowed."""

    status_code = 422

    def __init__(
        self,
        current_cost: float,
        max_budget: float,
        message: str | None = None,
        entity_type: str | None = None,
        entity_id: str | None = None,
    ) -> None:
        self.current_cost = current_cost
        self.max_budget = max_budget
        self.entity_type = entity_type
        self.entity_id = entity_id
        self.message = message or f"Budget has been exceeded! Current cost: {current_cost}, Max budget: {max_budget}"
        super().__init__(self.message)


class ModelNotMappedError(Exception):
    """The price table does not know the model."""


class RouterRateLimitError(ValueError):
    """Nobody in a group can be asked now: all rest after failures, or are at their limits."""

    def __init__(
        self,
        model: str,
        cooldown_time: float,
        enable_pre_call_checks: bool = False,
        cooldown_list: list[Any] | None = None,
        reason: str | None = None,
    ) -> None:
        self.model = model
        self.cooldown_time = cooldown_time
        self.enable_pre_call_checks = enable_pre_call_checks
        self.cooldown_list = cooldown_list or []
        reason = reason or f"No deployments available for selected model, Try again in {cooldown_time} seconds."
        super().__init__(
            f"{reason} Passed model={model}. pre-call-checks={enable_pre_call_checks}, cooldown_list={self.cooldown_list}"
        )

    def __reduce__(self) -> Any:
        return (_rebuilt, (type(self), self.args, self.__dict__))


class RouterRateLimitErrorBasic(ValueError):
    """Every deployment of a group is at its limit."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__("No deployments available for selected model.")

    def __reduce__(self) -> Any:
        return (_rebuilt, (type(self), self.args, self.__dict__))


class GuardrailRaisedException(Exception):
    """A guardrail refused."""

    status_code = 400

    def __init__(self, guardrail_name: str | None = None, message: str = "", **facts: Any) -> None:
        self.guardrail_name = guardrail_name
        self.message = message
        self.__dict__.update(facts)
        super().__init__(message)


class BlockedPiiEntityError(GuardrailRaisedException):
    """A guardrail found personal data that must not go out."""

    def __init__(self, entity_type: str | None = None, guardrail_name: str | None = None, **facts: Any) -> None:
        super().__init__(guardrail_name, f"Blocked entity detected: {entity_type}", **facts)
        self.entity_type = entity_type


#: The class for each kind of failure that the native half tells apart.
_KINDS: dict[str, type[_ApiFailure]] = {
    "bad_request": BadRequestError,
    "unsupported_params": UnsupportedParamsError,
    "auth": AuthenticationError,
    "denied": PermissionDeniedError,
    "not_found": NotFoundError,
    "payment_required": PaymentRequiredError,
    "context_window": ContextWindowExceededError,
    "content_policy": ContentPolicyViolationError,
    "unprocessable": UnprocessableEntityError,
    "rate_limit": RateLimitError,
    "timeout": Timeout,
    "connection": APIConnectionError,
    "overloaded": ServiceUnavailableError,
    "bad_gateway": BadGatewayError,
    "upstream": InternalServerError,
    "decode": APIConnectionError,
    "unsupported": BadRequestError,
}

#: Ours, and the name in the `openai` package.
_COUSINS: dict[type[_Rooted], str] = {
    AuthenticationError: "AuthenticationError",
    NotFoundError: "NotFoundError",
    BadRequestError: "BadRequestError",
    InvalidRequestError: "BadRequestError",
    UnprocessableEntityError: "UnprocessableEntityError",
    PermissionDeniedError: "PermissionDeniedError",
    RateLimitError: "RateLimitError",
    Timeout: "APITimeoutError",
    InternalServerError: "InternalServerError",
    ServiceUnavailableError: "APIStatusError",
    BadGatewayError: "APIStatusError",
    APIError: "APIError",
    MockException: "APIError",
    APIConnectionError: "APIConnectionError",
    APIResponseValidationError: "APIResponseValidationError",
    OpenAIError: "OpenAIError",
}

_joined = False


def _join_openai() -> None:
    """Makes our classes descend from those of the `openai` package, once it is loaded."""
    global _joined
    openai = sys.modules.get("openai")
    if _joined or openai is None:
        return
    for ours, name in _COUSINS.items():
        theirs = getattr(openai, name, None)
        if theirs is None:  # It is only half loaded: the next error tries again.
            return
        if not issubclass(ours, theirs):
            ours.__bases__ = (*ours.__bases__, theirs)
    _joined = True


def from_facts(facts: dict[str, Any]) -> BaseException:
    """The exception for a failure of the native half."""
    _join_openai()
    kind, status = facts["kind"], facts["status"]
    cls = _KINDS.get(kind, APIError)
    own: dict[str, Any] = {
        "llm_provider": facts["provider"] or None,
        "model": facts.get("model"),
        "num_retries": facts.get("num_retries"),
        "max_retries": facts.get("max_retries"),
        "headers": facts["headers"],
        "body": _decoded(facts["body"]),
        "param": facts["param"],
        "request_id": facts["request_id"],
        "litellm_call_id": facts.get("call_id"),
    }
    if facts["code"] is not None:
        own["code"] = facts["code"]
    message = facts["message"]
    if "groups" in facts:
        if not facts["provider"] and facts["code"] == "no_deployments_available":
            return _nobody(facts)
        message = _way(facts, message)
    elif facts.get("fallback_message"):
        message += f" (the fallbacks failed too: {facts['fallback_message']})"
    code = status or (facts["default_status"] if kind == "unsupported" else cls.status_code)
    own["response"] = Response(code, facts["headers"], facts["body"] or "")
    return cls(message=message, status_code=code, **own)


def _nobody(facts: dict[str, Any]) -> RouterRateLimitError:
    """The router had nobody to ask."""
    wait = math.ceil(facts["retry_after"] or 0)
    reason = facts["message"].partition(" Passed model=")[0]
    error = RouterRateLimitError(facts["model"], wait, False, facts["resting"], reason)
    error.__dict__["litellm_call_id"] = facts.get("call_id")
    return error


def _way(facts: dict[str, Any], message: str) -> str:
    """What a router adds to a failure: which group it was, and what became of the fallbacks."""
    if not facts["provider"] and facts["code"] == "invalid_model":
        return f"You passed in model={facts['model']}. There are no healthy deployments for this model"
    groups, last = facts["groups"], facts.get("fallback_message")
    message += f"\nReceived Model Group={facts['model']}\nAvailable Model Group Fallbacks={groups or None}"
    if last is None:
        return f"{message}: no fallback was attempted"
    return f"{message}\nError doing the fallback: {last[:2000]}"


def _decoded(body: str | None) -> Any:
    """As the `openai` package has it: the error object where the body is JSON, else the text."""
    if not body:
        return None
    import json

    try:
        decoded = json.loads(body)
    except ValueError:
        return body
    return decoded.get("error", decoded) if isinstance(decoded, dict) else decoded


__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "AuthenticationError",
    "AzureOpenAIError",
    "BadGatewayError",
    "BadRequestError",
    "BlockedPiiEntityError",
    "BudgetExceededError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "GuardrailRaisedException",
    "ImageFetchError",
    "InternalServerError",
    "InvalidRequestError",
    "JSONSchemaValidationError",
    "LiteLLMUnknownProvider",
    "MidStreamFallbackError",
    "MockException",
    "ModelNotMappedError",
    "NotFoundError",
    "OpenAIError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RateLimitError",
    "RejectedRequestError",
    "RouterRateLimitError",
    "RouterRateLimitErrorBasic",
    "ServiceUnavailableError",
    "Timeout",
    "UnprocessableEntityError",
    "UnsupportedParamsError",
]
