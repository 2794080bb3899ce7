"""The router: how calls find their way."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import threading
from collections import Counter
from typing import Any

import interlingua
import pytest
from conftest import USER, Asked, Reply, Upstream, chat, stream
from fleet import REFUSED, TOO_LONG, deployment, failing, script, text, who
from interlingua import Router
from interlingua.router import RouterRateLimitError
from interlingua.types.router import AllowedFailsPolicy, CustomRoutingStrategyBase, RetryPolicy

STRATEGIES = [
    "simple-shuffle",
    "least-busy",
    "usage-based-routing",
    "usage-based-routing-v2",
    "latency-based-routing",
    "cost-based-routing",
]


def azure_and_openai(upstream: Upstream) -> list[dict[str, Any]]:
    return [
        {
            "model_name": "gpt-4",
            "litellm_params": {
                "model": "azure/chatgpt-v-2",
                "api_key": "azure-key",
                "api_version": "2024-10-21",
                "api_base": upstream.url,
                "rpm": 60,
                "tpm": 90000,
            },
        },
        {
            "model_name": "gpt-4-fallback",
            "litellm_params": {"model": "gpt-4o", "api_key": "openai-key", "api_base": f"{upstream.url}/v1"},
        },
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_router_as_people_write_it(upstream: Upstream, strategy: str) -> None:
    router = Router(
        model_list=azure_and_openai(upstream),
        routing_strategy=strategy,
        num_retries=3,
        fallbacks=[{"gpt-4": ["gpt-4-fallback"]}],
        timeout=30,
        cooldown_time=30,
        allowed_fails=3,
    )
    assert text(router.completion(model="gpt-4", messages=USER)) == "Hello!"
    assert upstream.last.path == "/openai/deployments/chatgpt-v-2/chat/completions?api-version=2024-10-21"
    assert upstream.last.headers["api-key"] == "azure-key"
    assert text(router.completion("gpt-4-fallback", messages=USER)) == "Hello!"
    assert upstream.last.headers["authorization"] == "Bearer openai-key"
    assert text(asyncio.run(router.acompletion(model="gpt-4", messages=USER))) == "Hello!"


def test_a_fallback_answers_and_says_so(upstream: Upstream) -> None:
    upstream.answer = lambda asked: failing(500) if "openai/deployments" in asked.path else Reply(json=chat("Hello!"))
    router = Router(
        model_list=azure_and_openai(upstream), fallbacks=[{"gpt-4": ["gpt-4-fallback"]}], num_retries=0, timeout=30
    )
    response = router.completion("gpt-4", messages=USER)
    hidden = response._hidden_params
    headers = hidden["additional_headers"]
    assert headers["x-litellm-model-group"] == "gpt-4-fallback"
    assert headers["x-litellm-attempted-retries"] == 0
    assert headers["x-litellm-attempted-fallbacks"] == 1
    assert hidden["model_id"] == headers["x-litellm-model-id"] == router.model_list[1]["model_info"]["id"]
    assert hidden["api_base"] == f"{upstream.url}/v1"


def test_two_deployments_that_are_rate_limited(upstream: Upstream) -> None:
    script(upstream, a=failing(429), b=failing(429))
    router = Router(model_list=[deployment(upstream, "a"), deployment(upstream, "b")], num_retries=0)
    for _ in range(2):
        with pytest.raises(interlingua.RateLimitError):
            router.completion("gpt-4", messages=USER)
    assert sorted(map(who, upstream.asked)) == ["a", "b"]
    with pytest.raises(RouterRateLimitError) as caught:
        router.completion("gpt-4", messages=USER)
    assert len(upstream.asked) == 2
    error = caught.value
    assert isinstance(error, ValueError)
    assert not hasattr(error, "status_code")
    assert (error.model, error.cooldown_time, sorted(error.cooldown_list)) == ("gpt-4", 5, ["a", "b"])
    assert str(error).startswith("No deployments available for selected model, Try again in 5 seconds.")
    assert "in cooldown" in str(error)
    assert str(error).endswith(f"Passed model=gpt-4. pre-call-checks=False, cooldown_list={error.cooldown_list}")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert RouterRateLimitError is interlingua.RouterRateLimitError is interlingua.exceptions.RouterRateLimitError


def test_how_long_a_deployment_rests(upstream: Upstream) -> None:
    script(upstream, a=failing(429), b=failing(429, headers={"retry-after": "17"}))
    both = [deployment(upstream, "a"), deployment(upstream, "b")]
    router = Router(model_list=both, num_retries=0, cooldown_time=30)
    for _ in range(2):
        with pytest.raises(interlingua.RateLimitError):
            router.completion("gpt-4", messages=USER)
    with pytest.raises(RouterRateLimitError) as caught:
        router.completion("gpt-4", messages=USER)
    assert caught.value.cooldown_time == 17
    router.flush_cache()
    with pytest.raises(interlingua.RateLimitError):
        router.completion("gpt-4", messages=USER)


def test_a_retry_goes_to_the_other_deployment(upstream: Upstream) -> None:
    script(upstream, a=failing(500))
    router = Router(model_list=[deployment(upstream, "a", weight=1), deployment(upstream, "b", weight=0)])
    response = router.completion("gpt-4", messages=USER)
    assert (text(response), [who(asked) for asked in upstream.asked]) == ("b", ["a", "b"])
    assert response._hidden_params["additional_headers"]["x-litellm-attempted-retries"] == 1
    assert response._hidden_params["model_id"] == "b"


def test_too_long_prompts_and_refused_ones_have_fallbacks_of_their_own(upstream: Upstream) -> None:
    models = [deployment(upstream, name, group=name) for name in ("small", "large", "lenient", "other")]
    router = Router(
        model_list=models,
        context_window_fallbacks=[{"small": ["large"]}],
        content_policy_fallbacks=[{"small": ["lenient"]}],
        fallbacks=[{"small": ["other"]}],
        num_retries=0,
    )
    for reply, answered in [(TOO_LONG, "large"), (REFUSED, "lenient"), (failing(500), "other")]:
        script(upstream, small=reply)
        assert text(router.completion("small", messages=USER)) == answered
        assert text(asyncio.run(router.acompletion("small", messages=USER))) == answered


def test_a_failure_says_what_was_tried(upstream: Upstream) -> None:
    models = [deployment(upstream, name, group=name) for name in ("first", "second")]
    script(upstream, first=failing(500, "the first"), second=failing(503, "the second"))
    router = Router(model_list=models, num_retries=0)
    with pytest.raises(interlingua.InternalServerError) as caught:
        router.completion("first", messages=USER)
    assert "Received Model Group=first\nAvailable Model Group Fallbacks=None" in str(caught.value)
    assert "no fallback was attempted" in str(caught.value)
    router.fallbacks = [{"first": ["second"]}]
    with pytest.raises(interlingua.InternalServerError) as caught:
        router.completion("first", messages=USER)
    assert "the first" in str(caught.value)
    assert "Received Model Group=first\nAvailable Model Group Fallbacks=['second']" in str(caught.value)
    assert "Error doing the fallback: " in str(caught.value)
    assert "the second" in str(caught.value)
    assert caught.value.model == "first"


def test_a_request_names_its_own_fallbacks_or_refuses_them(upstream: Upstream) -> None:
    models = [deployment(upstream, name, group=name) for name in ("first", "second", "third")]
    script(upstream, first=failing(500))
    router = Router(model_list=models, num_retries=0, default_fallbacks=["second"])
    assert text(router.completion("first", messages=USER)) == "second"
    assert text(router.completion("first", messages=USER, fallbacks=["third"])) == "third"
    with pytest.raises(interlingua.InternalServerError):
        router.completion("first", messages=USER, disable_fallbacks=True)


def test_an_unknown_model(upstream: Upstream) -> None:
    router = Router(model_list=[deployment(upstream, "a")])
    with pytest.raises(interlingua.BadRequestError) as caught:
        router.completion("nothing", messages=USER)
    assert "You passed in model=nothing. There are no healthy deployments for this model" in str(caught.value)
    assert upstream.asked == []


def test_weights_decide(upstream: Upstream) -> None:
    script(upstream)
    router = Router(model_list=[deployment(upstream, "a", weight=9), deployment(upstream, "b", weight=1)])
    counts = Counter(text(router.completion("gpt-4", messages=USER)) for _ in range(300))
    assert 235 < counts["a"] < 300, counts
    assert counts["b"] > 0


def answers_of(router: Router, calls: int) -> Counter[str]:
    """Who answered how often."""
    return Counter(text(router.completion("gpt-4", messages=USER)) for _ in range(calls))


def test_usage_based_strategies_use_all_alike(upstream: Upstream) -> None:
    for strategy in ("usage-based-routing", "usage-based-routing-v2"):
        script(upstream)
        router = Router(
            model_list=[deployment(upstream, name) for name in ("one", "two", "three")], routing_strategy=strategy
        )
        assert router.explain("gpt-4", USER)["strategy"] == strategy
        assert answers_of(router, 9) == {"one": 3, "two": 3, "three": 3}


def test_cost_based_routing_asks_the_cheapest(upstream: Upstream) -> None:
    script(upstream)
    prices = {"dear": 3e-6, "cheap": 1e-6, "middling": 2e-6}
    router = Router(
        model_list=[
            deployment(upstream, name, input_cost_per_token=price, output_cost_per_token=price)
            for name, price in prices.items()
        ],
        routing_strategy="cost-based-routing",
    )
    assert answers_of(router, 5) == {"cheap": 5}
    scores = {score["deployment"]: score["score"] for score in router.explain("gpt-4", USER)["scores"]}
    assert scores["cheap"] < scores["middling"] < scores["dear"]


def test_latency_based_routing_asks_the_fastest(upstream: Upstream) -> None:
    def answer(asked: Asked) -> Reply:
        # A latency is that of a token: who brings a million at once is fast.
        tokens = 1_000_000 if who(asked) == "fast" else 1
        usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
        return Reply(json={**chat(who(asked)), "usage": usage})

    upstream.answer = answer
    router = Router(
        model_list=[deployment(upstream, name) for name in ("slow", "fast", "slower")],
        routing_strategy="latency-based-routing",
    )
    # Whoever is not known yet is tried first.
    assert answers_of(router, 3) == {"slow": 1, "fast": 1, "slower": 1}
    assert answers_of(router, 5) == {"fast": 5}


def test_least_busy_asks_who_has_least_to_do(upstream: Upstream) -> None:
    upstream.answer = lambda asked: (
        stream(who(asked), then="wait") if asked.body.get("stream") else Reply(json=chat(who(asked)))
    )
    router = Router(
        model_list=[deployment(upstream, name) for name in ("one", "two")], routing_strategy="least-busy"
    )
    under_way = router.completion("gpt-4", messages=USER, stream=True)
    busy = next(chunk.choices[0].delta.content for chunk in under_way if chunk.choices[0].delta.content)
    other = {"one": "two", "two": "one"}[busy]
    assert answers_of(router, 5) == {other: 5}
    under_way.close()


def test_an_explanation_says_who_would_be_asked_and_asks_nobody(upstream: Upstream) -> None:
    script(upstream)
    router = Router(
        model_list=[
            deployment(upstream, "one", order=1),
            deployment(upstream, "two", order=2),
            deployment(upstream, "three", "spare"),
        ],
        fallbacks=[{"gpt-4": ["spare"]}],
        num_retries=4,
    )
    told = router.explain("gpt-4", USER, max_tokens=10)
    assert (told["group"], told["picked"], told["strategy"]) == ("gpt-4", "one", "simple-shuffle")
    assert told["skipped"] == [{"deployment": "two", "reason": "order"}]
    assert told["fallbacks"]["general"] == ["spare"]
    assert told["num_retries"] == 4
    expected = told["expected"]
    assert expected["input_tokens"] > 0 and expected["max_output_tokens"] == 10
    assert 0 < expected["cost_usd"]["least"] < expected["cost_usd"]["most"]
    assert router.explain("gpt-4", input="a text")["picked"] == "one"
    assert not upstream.asked
    with pytest.raises(interlingua.BadRequestError):
        router.explain("nobody", USER)


def test_a_deployments_own_mock_answers(upstream: Upstream) -> None:
    router = Router(
        model_list=[
            deployment(upstream, "one", mock_response="litellm.RateLimitError"),
            deployment(upstream, "two", "spare", mock_response="canned"),
        ],
        fallbacks=[{"gpt-4": ["spare"]}],
        num_retries=0,
    )
    assert text(router.completion("gpt-4", messages=USER)) == "canned"
    chunks = router.completion("spare", messages=USER, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "canned"
    assert not upstream.asked


def test_limits_that_a_group_has_are_told(upstream: Upstream) -> None:
    script(upstream)
    router = Router(model_list=[deployment(upstream, "one", rpm=10), deployment(upstream, "two", rpm=5)])
    headers = router.completion("gpt-4", messages=USER)._hidden_params["additional_headers"]
    assert headers["x-ratelimit-limit-requests"] == 15
    assert headers["x-ratelimit-remaining-requests"] == 14


def test_limits_are_kept(upstream: Upstream) -> None:
    script(upstream)
    models = [deployment(upstream, "a", rpm=2), {**deployment(upstream, "b"), "rpm": 1}]
    router = Router(model_list=models, num_retries=0)
    for _ in range(2):
        counts = Counter(text(router.completion("gpt-4", messages=USER)) for _ in range(3))
        if counts != {"a": 2, "b": 1}:
            continue  # A minute ended in between.
        with pytest.raises(RouterRateLimitError):
            router.completion("gpt-4", messages=USER)
        return
    pytest.fail("the limits were not kept")


def test_policies(upstream: Upstream) -> None:
    script(upstream, a=failing(400))
    models = [deployment(upstream, "a")]
    router = Router(model_list=models, retry_policy=RetryPolicy(BadRequestErrorRetries=1), num_retries=0)
    with pytest.raises(interlingua.BadRequestError):
        router.completion("gpt-4", messages=USER)
    assert len(upstream.asked) == 2
    script(upstream, a=failing(500))
    policy = AllowedFailsPolicy(InternalServerErrorAllowedFails=0)
    router = Router(model_list=models, allowed_fails_policy=policy, num_retries=0)
    with pytest.raises(interlingua.InternalServerError):
        router.completion("gpt-4", messages=USER)
    with pytest.raises(RouterRateLimitError):
        router.completion("gpt-4", messages=USER)


def test_streams(upstream: Upstream) -> None:
    script(upstream, a=failing(500), b=stream("Hel", "lo"))
    router = Router(model_list=[deployment(upstream, "a", weight=1), deployment(upstream, "b", weight=0)])
    response = router.completion("gpt-4", messages=USER, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in response) == "Hello"
    assert response._hidden_params["model_id"] == "b"

    async def read() -> str:
        response = await router.acompletion("gpt-4", messages=USER, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in response])

    assert asyncio.run(read()) == "Hello"


def test_a_cancelled_call_hangs_up_and_gives_its_place_back(upstream: Upstream) -> None:
    upstream.answer = lambda asked: Reply(then="hang")
    router = Router(model_list=[deployment(upstream, "a", max_parallel_requests=1)], num_retries=0, timeout=60)

    async def give_up() -> None:
        task = asyncio.ensure_future(router.acompletion("gpt-4", messages=USER))
        await asyncio.to_thread(upstream.waiting.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert upstream.hung_up.wait(30)
    upstream.answer = lambda asked: Reply(json=chat("again"))
    assert text(router.completion("gpt-4", messages=USER)) == "again"


def test_embeddings_and_texts(upstream: Upstream) -> None:
    vectors = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "usage": {}}
    router = Router(model_list=[deployment(upstream, "a", group="vectors")])
    upstream.replies(Reply(json=vectors))
    assert router.embedding("vectors", input=["one"]).data[0]["embedding"] == [0.5]
    assert asyncio.run(router.aembedding(model="vectors", input=["one"])).data[0]["embedding"] == [0.5]
    assert who(upstream.last) == "a"
    upstream.replies(Reply(json={"id": "1", "object": "text_completion", "choices": [{"index": 0, "text": "more"}]}))
    assert router.text_completion("vectors", prompt="Say").choices[0].text == "more"
    assert asyncio.run(router.atext_completion("vectors", prompt="Say")).choices[0].text == "more"


def test_many_models_at_once(upstream: Upstream) -> None:
    models = [deployment(upstream, name, group=name) for name in ("a", "b", "bad")]
    script(upstream, bad=failing(400))
    router = Router(model_list=models, num_retries=0)

    async def ask() -> None:
        one = await router.abatch_completion(models=["a", "b", "bad"], messages=USER)
        assert [text(answer) for answer in one[:2]] == ["a", "b"]
        assert isinstance(one[2], interlingua.BadRequestError)
        many = await router.abatch_completion(models=["a", "b"], messages=[USER, USER])
        assert [[text(answer) for answer in answers] for answers in many] == [["a", "b"], ["a", "b"]]
        several = await router.abatch_completion_one_model_multiple_requests("a", [USER, USER, USER])
        assert [text(answer) for answer in several] == ["a", "a", "a"]
        assert text(await router.schedule_acompletion("a", USER, priority=0)) == "a"

    asyncio.run(ask())


def test_the_fastest_answer_counts_and_the_others_are_hung_up_on(upstream: Upstream) -> None:
    models = [deployment(upstream, name, group=name) for name in ("slow", "quick", "bad")]
    slow_is_asked = upstream.waiting

    def answer(asked: Asked) -> Reply:
        if who(asked) == "slow":
            return Reply(then="hang")
        assert slow_is_asked.wait(30)
        return failing(400) if who(asked) == "bad" else Reply(json=chat("quick"))

    upstream.answer = answer
    router = Router(model_list=models, num_retries=0)
    found = asyncio.run(router.abatch_completion_fastest_response("slow, quick,bad", messages=USER))
    assert text(found) == "quick"
    assert upstream.hung_up.wait(30)
    with pytest.raises(interlingua.BadRequestError):
        asyncio.run(router.abatch_completion_fastest_response("bad", messages=USER))


def test_a_strategy_of_ones_own(upstream: Upstream) -> None:
    script(upstream)
    seen = []

    class Always(CustomRoutingStrategyBase):
        def get_available_deployment(self, model: str, messages: Any = None, *_: Any, **kwargs: Any) -> Any:
            seen.append((model, messages, kwargs["request_kwargs"]["temperature"]))
            return router.model_list[1]

        async def async_get_available_deployment(self, *args: Any, **kwargs: Any) -> Any:
            return self.get_available_deployment(*args, **kwargs)

    models = [deployment(upstream, "a", weight=1), deployment(upstream, "b", weight=0)]
    router = Router(model_list=models)
    router.set_custom_routing_strategy(Always())
    assert text(router.completion("gpt-4", messages=USER, temperature=0)) == "b"
    assert text(asyncio.run(router.acompletion("gpt-4", messages=USER, temperature=0))) == "b"
    assert seen == [("gpt-4", USER, 0)] * 2
    script(upstream, b=failing(500))
    assert text(router.completion("gpt-4", messages=USER, temperature=0)) == "a"


def test_a_deployment_is_picked_without_a_call(upstream: Upstream) -> None:
    script(upstream, b=failing(429))
    router = Router(model_list=[deployment(upstream, "a", weight=0), deployment(upstream, "b", weight=1)], num_retries=0)
    assert router.get_available_deployment("gpt-4", messages=USER)["model_info"]["id"] == "b"
    assert asyncio.run(router.async_get_available_deployment("gpt-4", {}))["model_info"]["id"] == "b"
    assert upstream.asked == []
    with pytest.raises(interlingua.RateLimitError):
        router.completion("gpt-4", messages=USER)
    assert router.get_available_deployment("gpt-4")["model_info"]["id"] == "a"
    with pytest.raises(interlingua.BadRequestError):
        router.get_available_deployment("nothing")


def test_settings_can_change(upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    script(upstream, a=failing(500))
    router = Router(model_list=[deployment(upstream, "a"), deployment(upstream, "b", group="other")], num_retries=0)
    router.update_settings(fallbacks=[{"gpt-4": ["other"]}], model_group_alias={"best": "gpt-4"})
    assert text(router.completion("best", messages=USER)) == "b"
    assert router.get_settings()["fallbacks"] == router.fallbacks == [{"gpt-4": ["other"]}]
    router.num_retries = 7
    assert router.get_settings()["num_retries"] == 7
    with caplog.at_level(logging.WARNING, "LiteLLM Router"):
        router.update_settings(model_list=[])
    assert "model_list" in caplog.text


def test_the_module_has_a_say(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    script(upstream, a=failing(400))
    monkeypatch.setattr(interlingua, "num_retries", 4)
    entry = deployment(upstream, "a")
    del entry["litellm_params"]["api_key"]
    router = Router(model_list=[entry])
    assert router.num_retries == 4
    monkeypatch.setattr(interlingua, "openai_key", "of-the-module")
    monkeypatch.setattr(interlingua, "drop_params", True)
    script(upstream)
    assert text(router.completion("gpt-4", messages=USER)) == "a"
    assert upstream.last.headers["authorization"] == "Bearer of-the-module"
    assert "drop_params" not in upstream.last.body


def test_keys_are_read_from_the_environment_at_each_call(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    named = deployment(upstream, "named", group="named", api_key="os.environ/SOME_KEY_OF_MINE")
    usual = deployment(upstream, "usual", group="usual")
    del usual["litellm_params"]["api_key"]
    router = Router(model_list=[named, usual], num_retries=0, disable_cooldowns=True)
    with pytest.raises(interlingua.AuthenticationError):
        router.completion("usual", messages=USER)
    os.environ["SOME_KEY_OF_MINE"] = os.environ["OPENAI_API_KEY"] = "first"
    try:
        for key in ("first", "second"):
            os.environ["SOME_KEY_OF_MINE"] = os.environ["OPENAI_API_KEY"] = key
            for model in ("named", "usual"):
                router.completion(model, messages=USER)
                assert upstream.last.headers["authorization"] == f"Bearer {key}"
    finally:
        del os.environ["SOME_KEY_OF_MINE"], os.environ["OPENAI_API_KEY"]


def test_a_call_may_name_its_own_key_and_address(upstream: Upstream) -> None:
    script(upstream)
    router = Router(model_list=[deployment(upstream, "a")])
    router.completion("gpt-4", messages=USER, api_key="sk-own")
    assert (who(upstream.last), upstream.last.headers["authorization"]) == ("a", "Bearer sk-own")
    router.completion("gpt-4", messages=USER, api_base=f"{upstream.url}/elsewhere/v1")
    assert (who(upstream.last), upstream.last.headers["authorization"]) == ("elsewhere", "Bearer sk-a")
    assert upstream.last.body.keys() == {"model", "messages"}


def test_a_token_provider_is_asked_at_each_call(upstream: Upstream) -> None:
    tokens = iter(["first", "second", "third"])
    entry = {
        "model_name": "gpt-4",
        "litellm_params": {
            "model": "azure/deployed",
            "api_base": upstream.url,
            "api_version": "2024-10-21",
            "azure_ad_token_provider": lambda: next(tokens),
        },
    }
    router = Router(model_list=[entry])
    router.completion("gpt-4", messages=USER)
    first = upstream.last.headers["authorization"]
    router.completion("gpt-4", messages=USER)
    assert first != upstream.last.headers["authorization"]


def test_threads_share_a_router(upstream: Upstream) -> None:
    script(upstream)
    router = Router(model_list=[deployment(upstream, "a"), deployment(upstream, "b")])
    answers: list[str] = []

    def ask() -> None:
        for _ in range(20):
            answers.append(text(router.completion("gpt-4", messages=USER)))

    def change() -> None:
        for n in range(20):
            router.update_settings(num_retries=n)

    threads = [threading.Thread(target=work) for work in (ask, ask, change, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 60
    assert router.num_retries == 19


def test_loops_share_a_router(upstream: Upstream) -> None:
    script(upstream)
    router = Router(model_list=[deployment(upstream, "a")])
    for _ in range(3):
        assert text(asyncio.run(router.acompletion("gpt-4", messages=USER))) == "a"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_goes_on_with_the_router(upstream: Upstream) -> None:
    import subprocess
    import sys
    import textwrap

    source = """
        import os, sys
        from interlingua import Router
        params = {"model": "openai/gpt-4o", "api_key": "sk", "api_base": sys.argv[1]}
        router = Router(model_list=[{"model_name": "m", "litellm_params": params}])
        USER = [{"role": "user", "content": "Hi"}]
        ids = router.get_model_ids()
        router.completion("m", messages=USER)
        pid = os.fork()
        router.update_settings(num_retries=1)
        response = router.completion("m", messages=USER)
        assert response.choices[0].message.content == "Hello!"
        assert router.get_model_ids() == ids == [response._hidden_params["model_id"]]
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """
    command = [sys.executable, "-c", textwrap.dedent(source), f"{upstream.url}/v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done


def test_completion_over_a_model_list(upstream: Upstream) -> None:
    script(upstream, a=failing(500))
    models = [deployment(upstream, "a", weight=1), deployment(upstream, "b", weight=0), deployment(upstream, "c", group="c")]
    assert text(interlingua.completion("gpt-4", messages=USER, model_list=models)) == "b"
    assert text(asyncio.run(interlingua.acompletion("gpt-4", messages=USER, model_list=models))) == "b"
    assert "c" not in {who(asked) for asked in upstream.asked}
