"""The deployments of a router: reading the list and changing it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any

import interlingua
import pytest
from conftest import USER, Reply, Upstream, chat
from fleet import deployment, failing, script, text, who
from interlingua.router import Deployment, LiteLLM_Params, ModelInfo, Router
from interlingua.types import router as types


@pytest.fixture
def router(upstream: Upstream) -> Router:
    script(upstream)
    return Router(model_list=[deployment(upstream, "a"), deployment(upstream, "b", group="other", rpm=5, tpm=100)])


def test_what_a_router_says_of_itself(upstream: Upstream, router: Router) -> None:
    assert router.model_names == {"gpt-4", "other"}
    assert router.get_model_names() == ["gpt-4", "other"]
    assert router.get_model_ids() == ["a", "b"]
    assert router.get_model_ids("other") == ["b"]
    assert router.deployment_names == ["openai/gpt-4o"] * 2
    assert [entry["model_info"]["id"] for entry in router.model_list] == ["a", "b"]
    assert router.get_model_list("other")[0]["litellm_params"]["rpm"] == 5
    assert router.get_model_list("nothing") == []
    found = router.get_deployment("b")
    assert isinstance(found, Deployment)
    assert (found.model_name, found.litellm_params.model, found["litellm_params"]["rpm"]) == ("other", "openai/gpt-4o", 5)
    assert (found.model_info.id, found.litellm_params.weight) == ("b", None)
    assert router.get_deployment_by_model_group_name("other") == found
    assert (router.get_deployment("nothing"), router.get_deployment_by_model_group_name("nothing")) == (None, None)
    assert router.has_model_id("a")
    info = router.get_model_group_info("other")
    assert info is not None
    assert (info.model_group, info.providers, info.rpm, info.tpm, info.mode) == ("other", ["openai"], 5, 100, "chat")
    assert info.supports_function_calling
    assert "tools" in info.supported_openai_params
    assert router.get_model_group_info("nothing") is None


def test_the_callers_own_list_stays_as_it_was(upstream: Upstream) -> None:
    given = [{"model_name": "m", "litellm_params": {"model": "openai/gpt-4o", "api_key": None}}]
    Router(model_list=given)
    assert given == [{"model_name": "m", "litellm_params": {"model": "openai/gpt-4o", "api_key": None}}]


def test_ids_are_stable_and_apart(upstream: Upstream) -> None:
    entry: dict[str, Any] = {"model_name": "m", "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk"}}
    first, twice = Router(model_list=[entry]), Router(model_list=[entry, entry])
    assert first.get_model_ids()[0] in twice.get_model_ids()
    assert len(set(twice.get_model_ids())) == 2
    assert Router(model_list=[{**entry, "model_info": {"id": 7}}]).get_model_ids() == ["7"]


def test_changes_take_effect_at_once(upstream: Upstream, router: Router) -> None:
    added = Deployment("new", LiteLLM_Params(**deployment(upstream, "c")["litellm_params"]), ModelInfo(id="c"))
    made = router.add_deployment(added)
    assert made is not None
    assert made.model_info.id == "c"
    assert text(router.completion("new", messages=USER)) == "c"
    assert router.add_deployment(added) is None
    changed = deployment(upstream, "d", group="new")
    changed["model_info"]["id"] = "c"
    assert router.upsert_deployment(changed) is not None
    assert router.upsert_deployment(changed) is None
    assert text(router.completion("new", messages=USER)) == "d"
    deleted = router.delete_deployment("c")
    assert deleted is not None
    assert deleted.model_name == "new"
    assert router.delete_deployment("c") is None
    with pytest.raises(interlingua.BadRequestError):
        router.completion("new", messages=USER)
    router.set_model_list([deployment(upstream, "e", group="only")])
    assert text(router.completion("only", messages=USER)) == "e"
    assert router.get_model_names() == ["only"]
    router.discard()
    assert router.model_list == []


def test_what_was_learned_outlives_a_change(upstream: Upstream) -> None:
    script(upstream, a=failing(429))
    router = Router(model_list=[deployment(upstream, "a", weight=1), deployment(upstream, "b", weight=0)], num_retries=0)
    with pytest.raises(interlingua.RateLimitError):
        router.completion("gpt-4", messages=USER)
    router.add_deployment(deployment(upstream, "c", weight=0))
    for _ in range(5):
        router.completion("gpt-4", messages=USER)
    assert [who(asked) for asked in upstream.asked].count("a") == 1


def test_aliases(upstream: Upstream, router: Router) -> None:
    router.update_settings(model_group_alias={"best": "gpt-4", "secret": {"model": "other", "hidden": True}})
    assert router.get_model_names() == ["gpt-4", "other", "best"]
    assert router.get_model_list("best")[0]["model_info"]["id"] == "a"
    assert text(router.completion("best", messages=USER)) == "a"
    assert text(router.completion("secret", messages=USER)) == "b"


def test_wildcards(upstream: Upstream) -> None:
    script(upstream)
    entry = deployment(upstream, "any", group="openai/*")
    entry["litellm_params"]["model"] = "openai/*"
    router = Router(model_list=[entry])
    assert text(router.completion("openai/gpt-4.1", messages=USER)) == "any"
    assert upstream.last.body["model"] == "gpt-4.1"
    assert router.get_model_list("openai/gpt-4.1")[0]["model_name"] == "openai/*"


def test_a_deployment_is_called_by_its_id(upstream: Upstream, router: Router) -> None:
    assert text(router.completion("b", messages=USER)) == "b"


def test_what_was_used_this_minute(upstream: Upstream, router: Router) -> None:
    assert asyncio.run(router.get_model_group_usage("nothing")) == (None, None)
    for _ in range(2):  # A minute may end in between once.
        before = asyncio.run(router.get_model_group_usage("gpt-4"))
        router.completion("gpt-4", messages=USER)
        tokens, requests = asyncio.run(router.get_model_group_usage("gpt-4"))
        if (tokens, requests) == (before[0] + 12, before[1] + 1):
            return
    pytest.fail("usage is not counted")


def test_parameters_of_a_deployment_are_defaults(upstream: Upstream) -> None:
    upstream.replies(Reply(json=chat("Hello!")))
    router = Router(
        model_list=[deployment(upstream, "a", temperature=0.5)], default_litellm_params={"temperature": 1, "max_tokens": 9}
    )
    router.completion("gpt-4", messages=USER)
    assert (upstream.last.body["temperature"], upstream.last.body["max_tokens"]) == (0.5, 9)
    router.completion("gpt-4", messages=USER, temperature=0)
    assert upstream.last.body["temperature"] == 0


def test_mistakes_are_named(upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TypeError, match="num_retrys"):
        Router(num_retrys=3)
    bad = {"model_name": "bad", "litellm_params": {"model": "nobody-knows/this"}}
    with pytest.raises(interlingua.BadRequestError):
        Router(model_list=[bad])
    router = Router(model_list=[bad, deployment(upstream, "a")], ignore_invalid_deployments=True)
    assert router.get_model_ids() == ["a"]
    with pytest.raises(interlingua.BadRequestError):
        router.update_settings(num_retries="many")
    assert router.num_retries == 2
    with caplog.at_level(logging.WARNING, "LiteLLM Router"):
        Router(guardrail_list=[])
    assert "guardrail_list" in caplog.text


def test_it_looks_as_programs_expect(router: Router) -> None:
    assert inspect.iscoroutinefunction(router.acompletion)
    assert not inspect.iscoroutinefunction(router.completion)
    assert interlingua.Router is Router
    for name in types.__all__:
        assert getattr(types, name) is not None
    with pytest.raises(AttributeError):
        _ = router.nothing

    class Own(Router):
        """Frameworks subclass it."""

        async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
            self.calls = getattr(self, "calls", 0) + 1
            return await super().acompletion(*args, **kwargs)

    own = Own(model_list=router.model_list)
    assert text(asyncio.run(own.acompletion(model="gpt-4", messages=USER))) == "a"
    assert own.calls == 1


def named(group: str, id: str | None = None, **params: Any) -> dict[str, Any]:
    entry = {"model_name": group, "litellm_params": {"model": "demo/demo", **params}}
    return {**entry, "model_info": {"id": id}} if id else entry


@pytest.mark.parametrize(
    ("entries", "settings", "said"),
    [
        ([], {}, "model_list: it is empty"),
        ([named("a")], {"background_health_checks": True, "health_check_interval": 0}, "'health_check_interval' must be"),
        ([named("a")], {"routing_strategy": "fastest"}, "unknown routing_strategy 'fastest'"),
        ([named("a")], {"fallbacks": [{"a": ["b"]}]}, "fallbacks of 'a': no deployment answers for 'b'"),
        ([named("a")], {"default_fallbacks": ["b"]}, "fallbacks of '*': no deployment answers for 'b'"),
        (
            [named("a")],
            {"context_window_fallbacks": [{"a": ["b"]}]},
            "context_window_fallbacks of 'a': no deployment answers for 'b'",
        ),
        ([named("a"), named("b")], {"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]}, "'a' falls back to itself: a -> b -> a"),
        ([named("a")], {"model_group_alias": {"x": "b"}}, "the alias 'x': no deployment answers for 'b'"),
        ([named("a"), named("a", weight=-1)], {}, "model_list[1].litellm_params.weight: a weight cannot be negative"),
        ([named("a", rpm=-3)], {}, "model_list[0].litellm_params.rpm"),
        ([named("a", "i"), named("b", "i")], {}, "model_list[1].model_info.id: another deployment has the id 'i'"),
        ([named("a"), {"model_name": "b", "litellm_params": {}}], {}, "model_list[1].litellm_params.model"),
        ([{"litellm_params": {"model": "demo/demo"}}], {}, "model_list[0]: missing field `model_name`"),
    ],
)
def test_what_cannot_work_is_refused_where_it_stands(
    entries: list[dict[str, Any]], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(interlingua.BadRequestError) as caught:
        Router(model_list=entries, **settings)
    assert said in str(caught.value)


def test_deployments_may_come_after_the_fallbacks_that_lead_to_them_and_go_before() -> None:
    router = Router(fallbacks=[{"a": ["b"]}])
    router.add_deployment(named("a", "i"))
    router.add_deployment(named("b", "j"))
    router.delete_deployment("j")
    assert router.get_model_ids() == ["i"]
    router.update_settings(fallbacks=[])
