"""Threads, loops, forks, signals, and the end of the process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import USER, Reply, Upstream, stream
from interlingua import acompletion, completion


def program(source: str, *args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs a program with warnings as errors; nothing may be left on its error output."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(source), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    # asyncio's debug mode names what was slow: on a busy machine that says nothing.
    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, said) == (0, []), done
    return done


def test_many_threads(upstream: Upstream, openai: dict[str, str]) -> None:
    def ask(_: int) -> str:
        return completion(messages=USER, **openai).choices[0].message.content

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(200))) == ["Hello!"] * 200


def test_many_loops_one_after_the_other(upstream: Upstream, openai: dict[str, str]) -> None:
    for _ in range(50):
        assert asyncio.run(acompletion(messages=USER, **openai)).choices[0].message.content == "Hello!"


def test_loops_in_several_threads(upstream: Upstream, openai: dict[str, str]) -> None:
    async def several() -> int:
        answers = await asyncio.gather(*(acompletion(messages=USER, **openai) for _ in range(10)))
        return len(answers)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: asyncio.run(several()), range(16))) == [10] * 16


def test_a_loop_that_watches_no_descriptors(upstream: Upstream, openai: dict[str, str]) -> None:
    class Proactor(asyncio.SelectorEventLoop):
        """As on Windows."""

        def add_reader(self, *_: object) -> None:
            raise NotImplementedError

    async def several() -> int:
        upstream.replies(stream("a", "b"))
        response = await acompletion(messages=USER, stream=True, **openai)
        return len([piece async for piece in response])

    loop = Proactor()
    try:
        assert [loop.run_until_complete(several()) for _ in range(3)] == [4, 4, 4]
    finally:
        loop.close()


def test_a_synchronous_call_inside_a_running_loop(upstream: Upstream, openai: dict[str, str]) -> None:
    async def ask() -> str:
        return completion(messages=USER, **openai).choices[0].message.content

    assert asyncio.run(ask()) == "Hello!"


def test_other_threads_run_while_one_waits(upstream: Upstream, openai: dict[str, str]) -> None:
    upstream.replies(stream("a", then="wait"))
    response = completion(messages=USER, stream=True, **openai)
    read = threading.Event()

    def consume() -> None:
        for piece in response:
            if piece.choices[0].delta.content == "a":
                read.set()

    reader = threading.Thread(target=consume, daemon=True)
    reader.start()
    assert read.wait(10)
    response.close()
    reader.join(10)
    assert not reader.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_makes_calls_of_its_own(upstream: Upstream) -> None:
    source = """
        import asyncio, os, sys
        from interlingua import acompletion, completion, APIConnectionError
        where = {"model": "openai/gpt-4o", "api_key": "sk", "api_base": sys.argv[1]}
        USER = [{"role": "user", "content": "Hi"}]
        first = completion(messages=USER, **where)
        asyncio.run(acompletion(messages=USER, **where))
        pid = os.fork()
        inside = completion(messages=USER, **where)
        assert inside.choices[0].message.content == "Hello!"
        assert asyncio.run(acompletion(messages=USER, **where)).choices[0].message.content == "Hello!"
        sys.stdout.write(inside._hidden_params["litellm_call_id"] + "\\n")
        sys.stdout.flush()
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """
    command = [sys.executable, "-c", textwrap.dedent(source), f"{upstream.url}/v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    ours, theirs = done.stdout.split()
    assert ours != theirs


def test_short_programs_end_cleanly(upstream: Upstream) -> None:
    upstream.replies(stream("a", then="wait"))
    endings = {
        "a stream that is still open": "s = completion(stream=True, **where); next(s)",
        "a task that nobody waits for": """
async def go():
    global task
    task = asyncio.ensure_future(acompletion(stream=True, **where))
    stream = await task
    await stream.__anext__()
asyncio.run(go())
""",
        "a thread that waits": """
import threading
s = completion(stream=True, **where)
next(s)
threading.Thread(target=lambda: list(s), daemon=True).start()
""",
    }
    head = """
import asyncio, sys
from interlingua import acompletion, completion
where = {"model": "openai/gpt-4o", "api_key": "sk", "api_base": sys.argv[1],
         "messages": [{"role": "user", "content": "Hi"}]}
"""
    for ending in endings.values():
        for _ in range(5):
            program(head + ending, f"{upstream.url}/v1")


def test_importing_does_nothing_else() -> None:
    program(
        """
        import sys, threading, signal, logging
        handlers = list(logging.getLogger().handlers)
        import interlingua
        assert threading.active_count() == 1
        assert logging.getLogger().handlers == handlers
        for heavy in ("asyncio", "httpx", "openai", "pydantic", "typing_extensions", "uuid"):
            assert heavy not in sys.modules, heavy
        """
    )


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter there")
def test_ctrl_c_is_heard(upstream: Upstream) -> None:
    upstream.replies(Reply(then="hang"))
    source = """
        import signal
        import sys
        from interlingua import completion
        # Python leaves it alone where whoever starts the tests ignores it, as a shell does in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            completion(model="openai/gpt-4o", api_key="sk", api_base=sys.argv[1], messages=[])
        except KeyboardInterrupt:
            print("heard")
    """
    command = [sys.executable, "-c", textwrap.dedent(source), f"{upstream.url}/v1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert upstream.waiting.wait(30)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
    assert out == "heard\n"
    assert upstream.hung_up.wait(10)
