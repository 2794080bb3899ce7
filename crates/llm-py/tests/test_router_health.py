"""Health checks of a router: who answers, and who is gone around."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter

from conftest import USER, Asked, Reply, Upstream, chat
from fleet import deployment, failing, script, text, who
from interlingua import Router


def ids(endpoints: list[dict[str, str]]) -> list[str]:
    return [endpoint["model_id"] for endpoint in endpoints]


def test_each_deployment_is_asked_for_a_word(upstream: Upstream) -> None:
    script(upstream, ill=failing(401, "no such key"))
    pattern = deployment(upstream, "pattern", "openai/*", model="openai/*")
    router = Router(
        model_list=[deployment(upstream, "well"), deployment(upstream, "ill"), pattern, deployment(upstream, "far", "far")]
    )
    found = router.health_check("gpt-4")
    assert ids(found["healthy_endpoints"]) == ["well"]
    assert ids(found["unhealthy_endpoints"]) == ["ill"]
    assert "no such key" in found["unhealthy_endpoints"][0]["error"]
    # They are asked at the same time.
    assert sorted(who(asked) for asked in upstream.asked) == ["ill", "well"]
    everybody = asyncio.run(router.ahealth_check())
    assert ids(everybody["not_checked_endpoints"]) == ["pattern"]
    assert everybody["healthy_count"] == 2
    assert ids(asyncio.run(router.ahealth_check("far"))["healthy_endpoints"]) == ["far"]


def test_calls_go_around_who_was_found_ill(upstream: Upstream) -> None:
    script(upstream, ill=failing(401, "no such key"))
    router = Router(
        model_list=[deployment(upstream, "well"), deployment(upstream, "ill")],
        enable_health_check_routing=True,
        health_check_staleness_threshold=60,
    )
    router.health_check()
    answers = Counter(text(router.completion("gpt-4", messages=USER)) for _ in range(12))
    assert answers == {"well": 12}
    skipped = router.explain("gpt-4", USER)["skipped"]
    assert [(left["deployment"], left["reason"]) for left in skipped] == [("ill", "unhealthy")]
    # A change keeps what was found.
    router.add_deployment(deployment(upstream, "new"))
    assert [left["deployment"] for left in router.explain("gpt-4", USER)["skipped"]] == ["ill"]
    script(upstream)
    router.health_check("ill")
    assert router.explain("gpt-4", USER)["skipped"] == []


def test_a_vendor_that_is_busy_is_not_ill(upstream: Upstream) -> None:
    script(upstream, busy=failing(429))
    router = Router(
        model_list=[deployment(upstream, "well"), deployment(upstream, "busy")],
        enable_health_check_routing=True,
        health_check_ignore_transient_errors=True,
        background_health_check_model_groups=["gpt-4"],
    )
    assert ids(router.health_check()["unhealthy_endpoints"]) == ["busy"]
    assert router.explain("gpt-4", USER)["skipped"] == []


def test_who_is_well_rests_no_longer(upstream: Upstream) -> None:
    times = iter([False])

    def answer(asked: Asked) -> Reply:
        return Reply(json=chat("well")) if next(times, True) else failing(401)

    upstream.answer = answer
    router = Router(model_list=[deployment(upstream, "a")], num_retries=0, cooldown_time=600)
    try:
        router.completion("gpt-4", messages=USER)
    except Exception as error:
        assert "401" in str(getattr(error, "status_code", ""))
    assert router.health_check()["healthy_count"] == 1
    assert text(router.completion("gpt-4", messages=USER)) == "well"


def counting(upstream: Upstream) -> threading.Semaphore:
    """Is released each time that the vendor is asked."""
    asked, answer = threading.Semaphore(0), upstream.answer

    def counted(one: Asked) -> Reply:
        asked.release()
        return answer(one)

    upstream.answer = counted
    return asked


def test_checks_are_made_in_the_background_where_the_router_asks_for_them(upstream: Upstream) -> None:
    script(upstream, ill=failing(401, "no such key"))
    asked = counting(upstream)
    router = Router(
        model_list=[deployment(upstream, "well"), deployment(upstream, "ill")],
        background_health_checks=True,
        health_check_interval=0.05,
        enable_health_check_routing=True,
    )
    # Two rounds, and the beginning of a third, without a call.
    assert all(asked.acquire(timeout=20) for _ in range(5))
    answers = Counter(text(router.completion("gpt-4", messages=USER)) for _ in range(12))
    assert answers == {"well": 12}
    router.update_settings(background_health_checks=False)
    assert router.background_health_checks is False


def test_checks_end_with_their_router(upstream: Upstream) -> None:
    asked = counting(upstream)
    router = Router(
        model_list=[deployment(upstream, "well")], background_health_checks=True, health_check_interval=0.05
    )
    assert asked.acquire(timeout=20)
    del router
    gc.collect()
    # One may have been under way; then nobody asks any more.
    while asked.acquire(timeout=0.5):
        assert len(upstream.asked) < 20
