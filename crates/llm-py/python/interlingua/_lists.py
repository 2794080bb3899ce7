"""Lists of models and providers, made when first asked for."""

from __future__ import annotations

from enum import Enum

from . import _models, _native

model_cost = _models.model_cost()

provider_list: list[str] = _native.providers()

LlmProviders = Enum(  # type: ignore[misc]
    "LlmProviders",
    {name.upper().replace("-", "_").replace(".", "_"): name for name in provider_list},
    type=str,
)

models_by_provider: dict[str, list[str]] = {name: [] for name in provider_list}
for _name, _fields in model_cost.items():
    models_by_provider.setdefault(_fields.get("litellm_provider", ""), []).append(_name)

model_list: list[str] = list(model_cost)
model_list_set: set[str] = set(model_list)
