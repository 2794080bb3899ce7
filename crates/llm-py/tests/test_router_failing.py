"""What a router does when its vendors fail: streams that break, and what routers tell each other of it over Redis."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import interlingua
import pytest
from conftest import USER, Upstream, stream
from fleet import deployment, failing, script, text, who
from interlingua import Router


def until(holds: Callable[[], bool], what: str) -> None:
    """Waits for what another thread brings about."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis of the test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def answers() -> bool:
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", port)) == 0

    until(answers, "redis-server answers")
    yield port
    server.terminate()
    server.wait(30)


def said(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_an_answer_that_breaks_goes_on_elsewhere(upstream: Upstream) -> None:
    script(upstream, a=stream("Once upon", then="cut"), b=stream(" a time", "."))
    router = Router(model_list=[deployment(upstream, "a", order=1), deployment(upstream, "b", order=2)])

    async def read() -> list[Any]:
        return [chunk async for chunk in await router.acompletion("gpt-4", messages=USER, stream=True)]

    for call in (
        lambda: list(router.completion("gpt-4", messages=USER, stream=True)),
        lambda: asyncio.run(read()),
    ):
        upstream.asked.clear()
        chunks = call()
        assert said(chunks) == "Once upon a time."
        assert [who(asked) for asked in upstream.asked] == ["a", "b"]
        ways = [chunk.interlingua["continued"] for chunk in chunks if getattr(chunk, "interlingua", None)]
        assert (ways[-1][0]["from"], ways[-1][0]["to"]) == ("a", "b")
        assert interlingua.stream_chunk_builder(chunks).choices[0].message.content == "Once upon a time."


def test_an_answer_that_may_not_go_on_is_an_error(upstream: Upstream) -> None:
    script(upstream, a=stream("Once upon", then="cut"))
    router = Router(
        model_list=[deployment(upstream, "a", order=1), deployment(upstream, "b", order=2)], stream_failover="before_content"
    )
    read = []
    with pytest.raises(interlingua.APIConnectionError):
        for chunk in router.completion("gpt-4", messages=USER, stream=True):
            read.append(chunk)
    assert said(read) == "Once upon"
    assert [who(asked) for asked in upstream.asked] == ["a"]


def test_routers_tell_each_other_who_rests(upstream: Upstream, redis: int) -> None:
    script(upstream, a=failing(429, headers={"retry-after": "1"}))
    here, there = (
        Router(
            model_list=[deployment(upstream, "a", order=1), deployment(upstream, "b", order=2)],
            redis_host="127.0.0.1",
            redis_port=redis,
        )
        for _ in range(2)
    )
    # It meets the others with its first call.
    assert text(there.completion("b", messages=USER)) == "b"

    def is_known() -> bool:
        assert text(here.completion("gpt-4", messages=USER)) == "b"
        skipped = there.explain("gpt-4", USER)["skipped"]
        return ("a", "cooling") in [(left["deployment"], left["reason"]) for left in skipped]

    until(is_known, "the other router knows of the rest")
