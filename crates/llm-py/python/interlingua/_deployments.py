"""The deployments of a router: the list as people see it, and the plan that the native half makes of it."""

from __future__ import annotations

import copy
import os
import threading
import weakref

from . import _native, _request
from .types.router import Deployment, ModelGroupInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._native import Router as Native

    Entry = dict[str, Any]
    #: What the module says of keys and addresses, and each deployment's token, where it has a provider of tokens.
    Around = tuple[tuple[Any, ...], tuple[str | None, ...]]

_all: weakref.WeakSet[Deployments]


class Deployments:
    """Deployments under names. Every change takes effect at once and keeps what was learned of those that stay."""

    model_group_alias: dict[str, Any]
    _lock: threading.RLock
    _settings: dict[str, Any]
    _entries: list[Entry]
    _around: Around
    _native: Native

    def __init__(self, model_list: Iterable[Any], settings: dict[str, Any]) -> None:
        # Not through `__setattr__`: a subclass may take attributes for settings.
        own = self.__dict__
        own["_lock"] = threading.RLock()
        own["_settings"] = settings
        entries = [entry(given) for given in model_list]
        own["_around"] = _look_around(entries)
        own["_native"] = _native.Router(_plan(entries, settings, self._around))
        own["_entries"] = _numbered(entries, self._native.ids())
        _all.add(self)

    # Reading the list

    @property
    def model_list(self) -> list[Entry]:
        """The deployments as they were given, each with its id."""
        return self._entries

    @property
    def model_names(self) -> set[str]:
        """The names that deployments answer for."""
        return {entry["model_name"] for entry in self._entries}

    @property
    def deployment_names(self) -> list[str]:
        """The models of the deployments, as their vendors know them."""
        return [entry["litellm_params"]["model"] for entry in self._entries]

    def get_model_names(self, team_id: str | None = None) -> list[str]:
        """The names that calls may use, aliases included."""
        return list(dict.fromkeys(entry["model_name"] for entry in self.get_model_list()))

    def get_model_ids(self, model_name: str | None = None, exclude_team_models: bool = False) -> list[str]:
        """The ids of all deployments, or of those that answer for a name."""
        return [entry["model_info"]["id"] for entry in self._entries if model_name in (None, entry["model_name"])]

    def get_model_list(self, model_name: str | None = None, team_id: str | None = None) -> list[Entry]:
        """All deployments, or those that answer for a name. An alias shows the deployments that it means."""
        listed = [*self._entries, *self._aliased()]
        if model_name is None:
            return listed
        return [entry for entry in listed if entry["model_name"] == model_name] or self._matched(model_name)

    def has_model_id(self, candidate_id: str) -> bool:
        """Whether there is a deployment with this id."""
        return self._find(candidate_id) is not None

    def get_deployment(self, model_id: str) -> Deployment | None:
        """The deployment with this id."""
        found = self._find(model_id)
        return None if found is None else Deployment(**copy.deepcopy(found))

    def get_deployment_by_model_group_name(self, model_group_name: str) -> Deployment | None:
        """The first deployment that answers for a name."""
        found = self.get_model_list(model_group_name)
        return Deployment(**copy.deepcopy(found[0])) if found else None

    def get_model_info(self, id: str) -> Entry | None:
        """The entry of the deployment with this id."""
        found = self._find(id)
        return None if found is None else copy.deepcopy(found)

    def get_router_model_info(self, deployment: Any, received_model_name: str, id: str | None = None) -> Entry:
        """What the price table says of a deployment's model, with what the deployment says itself."""
        from ._models import get_model_info

        own = deployment.model_dump() if isinstance(deployment, Deployment) else deployment
        params, info = own["litellm_params"], own.get("model_info") or {}
        known = get_model_info(info.get("base_model") or params["model"], params.get("custom_llm_provider"))
        own_prices = {name: value for name, value in params.items() if "cost_per" in name}
        return {**known, **{name: value for name, value in {**own_prices, **info}.items() if value is not None}}

    def get_model_group_info(self, model_group: str) -> ModelGroupInfo | None:
        """What the deployments of a name can do together: the most that any of them can."""
        entries = self.get_model_list(model_group)
        return _group_info(model_group, entries, self.get_router_model_info) if entries else None

    async def get_model_group_usage(self, model_group: str) -> tuple[int | None, int | None]:
        """The tokens and the requests of this minute, over all deployments of a name."""
        states = self._router().states(model_group)
        if not states:
            return None, None
        return sum(state[3] for state in states), sum(state[2] for state in states)

    # Changing it

    def set_model_list(self, model_list: Iterable[Any]) -> None:
        """Takes another list of deployments."""
        with self._lock:
            self._change([entry(given) for given in model_list])

    def add_deployment(self, deployment: Any) -> Deployment | None:
        """Adds a deployment; None where there is one with its id."""
        added = entry(deployment)
        with self._lock:
            if self._find(added["model_info"].get("id")) is not None:
                return None
            self._change([*self._entries, added])
        return self.get_deployment(added["model_info"]["id"]) if "id" in added["model_info"] else None

    def upsert_deployment(self, deployment: Any) -> Deployment | None:
        """Adds a deployment, or puts it in the place of the one with its id; None where nothing changes."""
        new = entry(deployment)
        with self._lock:
            old = self._find(new["model_info"].get("id"))
            if old is None:
                return self.add_deployment(new)
            if old == new:
                return None
            self._change([new if entry is old else entry for entry in self._entries])
        return Deployment(**copy.deepcopy(new))

    def delete_deployment(self, id: str) -> Deployment | None:
        """Takes a deployment out; None where there is none with this id. Calls under way end as they began."""
        with self._lock:
            old = self._find(id)
            if old is None:
                return None
            self._change([entry for entry in self._entries if entry is not old])
        return Deployment(**old)

    def _configure(self, settings: dict[str, Any]) -> None:
        """Takes other settings."""
        with self._lock:
            self._native.configure(_plan(self._entries, settings, self._around))
            self.__dict__["_settings"] = settings

    def _router(self) -> Native:
        """The native router, with the module's keys as they are now."""
        entries = self._entries
        around = _look_around(entries)
        if around != self._around:
            with self._lock:
                if entries is self._entries:
                    self._native.configure(_plan(entries, self._settings, around))
                    self.__dict__["_around"] = around
        return self._native

    def _change(self, entries: list[Entry]) -> None:
        """What cannot work is refused, and leaves everything as it was."""
        around = _look_around(entries)
        self._native.configure(_plan(entries, self._settings, around))
        self.__dict__.update(_entries=_numbered(entries, self._native.ids()), _around=around)

    def _find(self, id: str | None) -> Entry | None:
        return next((entry for entry in self._entries if entry["model_info"].get("id") == id), None) if id else None

    def _aliased(self) -> list[Entry]:
        entries = []
        for alias, target in self.model_group_alias.items():
            group = target.get("model") if isinstance(target, dict) else target
            if not (isinstance(target, dict) and target.get("hidden")):
                entries += [{**entry, "model_name": alias} for entry in self._entries if entry["model_name"] == group]
        return entries

    def _matched(self, name: str) -> list[Entry]:
        ids = {state[0] for state in self._native.states(name)}
        return [entry for entry in self._entries if entry["model_info"]["id"] in ids]


def entry(given: Any) -> Entry:
    """An entry of a model list as a dict of the router's own."""
    made = given.model_dump() if hasattr(given, "model_dump") else dict(given)
    for part in ("litellm_params", "model_info"):
        value = made.get(part) or {}
        made[part] = value.model_dump() if hasattr(value, "model_dump") else dict(value)
    if made["model_info"].get("id") is None:
        made["model_info"].pop("id", None)
    else:
        made["model_info"]["id"] = str(made["model_info"]["id"])
    return made


def _numbered(entries: list[Entry], ids: list[str | None]) -> list[Entry]:
    """The entries with their ids. One that was left out has none."""
    for entry, id in zip(entries, ids):
        entry["model_info"]["id"] = id
    return [entry for entry in entries if entry["model_info"]["id"] is not None]


def _look_around(entries: list[Entry]) -> Around:
    providers = (entry["litellm_params"].get("azure_ad_token_provider") for entry in entries)
    return _request.places(), tuple(provider and provider() for provider in providers)


def _plan(entries: list[Entry], settings: dict[str, Any], around: Around) -> bytes:
    """What the native half makes its deployments of."""
    listed = [
        {**entry, "litellm_params": _params(entry["litellm_params"], token)} for entry, token in zip(entries, around[1])
    ]
    return _request.encode({**settings, "model_list": listed}).encode()


def _params(given: Entry, token: str | None) -> Entry:
    """A deployment's parameters with the module's keys, as JSON can say them."""
    params = {name: value for name, value in given.items() if value is not None and name not in _request.LOCAL}
    if token is not None:
        params.setdefault("azure_ad_token", token)
    for name in ("timeout", "stream_timeout"):
        if name in params and not isinstance(params[name], (int, float)):
            params[name] = _request.seconds(params[name])
    return _request.with_place(params)


#: Limits of a group are its deployments' together; windows and prices are the highest.
_SUMS = ("rpm", "tpm")
_HIGHEST = ("max_input_tokens", "max_output_tokens", "input_cost_per_token", "output_cost_per_token")


def _group_info(name: str, entries: list[Entry], look_up: Any) -> ModelGroupInfo:
    from ._models import get_llm_provider

    info = ModelGroupInfo(model_group=name, providers=[])
    for entry in entries:
        params = entry["litellm_params"]
        provider = get_llm_provider(params["model"], params.get("custom_llm_provider"), params.get("api_base"))[1]
        if provider not in info.providers:
            info.providers.append(provider)
        for key in _SUMS:
            limit = params.get(key) or entry.get(key)
            if limit is not None:
                info[key] = (info[key] or 0) + limit
        try:
            known = look_up(entry, name)
        except Exception:  # A model that the price table does not know.
            known = entry["model_info"]
        for key in _HIGHEST:
            if known.get(key) is not None:
                info[key] = max(info[key] or 0, known[key])
        for key, value in known.items():
            if key.startswith("supports_") and value:
                info[key] = True
        info.mode = known.get("mode") or info.mode
        for param in known.get("supported_openai_params") or ():
            info.supported_openai_params = info.supported_openai_params or []
            if param not in info.supported_openai_params:
                info.supported_openai_params.append(param)
    return info


_all = weakref.WeakSet()


def _after_fork() -> None:
    """A lock that another thread held during the fork would stay locked for ever."""
    for router in _all:
        router.__dict__["_lock"] = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
