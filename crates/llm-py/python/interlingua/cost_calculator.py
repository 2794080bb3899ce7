"""Costs, under the path that programs written for LiteLLM import them from."""

from ._models import (
    completion_cost,
    cost_per_token,
    get_response_cost_from_hidden_params,
    response_cost_calculator,
)

__all__ = [
    "completion_cost",
    "cost_per_token",
    "get_response_cost_from_hidden_params",
    "response_cost_calculator",
]
