"""Deployments at the loopback vendor: each has a path of its own, and answers what a test says."""

from __future__ import annotations

from typing import Any

from conftest import Asked, Reply, Upstream, chat


def deployment(upstream: Upstream, name: str, group: str = "gpt-4", **params: Any) -> dict[str, Any]:
    """An entry of a model list."""
    return {
        "model_name": group,
        "litellm_params": {
            "model": "openai/gpt-4o",
            "api_key": f"sk-{name}",
            "api_base": f"{upstream.url}/{name}/v1",
            **params,
        },
        "model_info": {"id": name},
    }


def failing(status: int, message: str = "not now", headers: dict[str, str] | None = None, **error: Any) -> Reply:
    """A vendor's refusal."""
    return Reply(status=status, json={"error": {"message": message, **error}}, headers=headers or {})


TOO_LONG = failing(
    400,
    "This model's maximum context length is 8192 tokens, however you requested 9000.",
    type="invalid_request_error",
    code="context_length_exceeded",
)
REFUSED = failing(400, "Rejected.", type="invalid_request_error", code="content_policy_violation")


def script(upstream: Upstream, **replies: Reply) -> None:
    """Each deployment's answer, by its name; the others say who they are."""

    def answer(asked: Asked) -> Reply:
        name = who(asked)
        return replies.get(name) or Reply(json=chat(name))

    upstream.answer = answer


def who(asked: Asked) -> str:
    """The deployment that was asked."""
    return asked.path.split("/")[1]


def text(response: Any) -> Any:
    """What an answer says."""
    return response.choices[0].message.content
