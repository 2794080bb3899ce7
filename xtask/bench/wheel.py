"""What the wheel costs beside other ways to ask the same vendor on this machine. `cargo xtask bench --wheel` runs it.

A call's time is that of its caller, who waits for the vendor too; `cpu` is this process's processor time for it, all
threads together. Figures are for people: nothing fails because of them.
"""

import argparse
import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import time
from urllib.parse import urlsplit

import httpx
import interlingua
import openai

MODEL = "gpt-4o"
KEY = "sk-vendor"
MESSAGES = [{"role": "user", "content": "Where does the ship go? " * 3}]
BODY = {"model": MODEL, "messages": MESSAGES, "max_tokens": 100, "temperature": 0.5}
#: In every answer of the vendor.
WORD = "lighthouse"
AT_ONCE = 16


def main():
    options = argparse.ArgumentParser()
    options.add_argument("vendor", help="the program that plays the vendor, with `upstream` as its argument")
    options.add_argument("--seconds", type=float, default=2.0)
    options.add_argument("--rounds", type=int, default=3)
    options = options.parse_args()
    # It ends when its input does.
    vendor = subprocess.Popen([options.vendor, "upstream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = vendor.stdout.readline().strip() + "/v1"
        imports()
        table("a call", calls(url), options)
        table("a chunk of a stream of 50, in one burst", streams(url), options)
        table(f"a call, {AT_ONCE} at once", asyncio_calls(url), options)
    finally:
        vendor.stdin.close()
        vendor.wait()


def imports():
    print(f"Python {sys.version.split()[0]}, interlingua {interlingua.__version__}, openai {openai.__version__}\n")
    for name in ("interlingua", "openai"):
        code = f"import time; began = time.perf_counter(); import {name}; print(time.perf_counter() - began)"
        took = [float(subprocess.check_output([sys.executable, "-c", code])) * 1e3 for _ in range(7)]
        print(f"import {name + ':':<14}{statistics.median(took):8.1f} ms ({min(took):.1f} to {max(took):.1f})")


# Who asks. Each makes its request and returns how many units it got.


def calls(url):
    client = openai.OpenAI(base_url=url, api_key=KEY, max_retries=0)
    plain = httpx.Client()
    bare = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}

    def by_bare():
        bare.request("POST", "/v1/chat/completions", json.dumps(BODY), headers)
        return said(json.loads(bare.getresponse().read())["choices"][0]["message"]["content"])

    def by_httpx():
        answer = plain.post(f"{url}/chat/completions", json=BODY, headers=headers)
        return said(answer.json()["choices"][0]["message"]["content"])

    def by_openai():
        return said(client.chat.completions.create(**BODY).choices[0].message.content)

    def by_us():
        answer = interlingua.completion(**{**BODY, "model": f"openai/{MODEL}"}, api_base=url, api_key=KEY)
        return said(answer.choices[0].message.content)

    return {"http.client": by_bare, "httpx": by_httpx, "openai": by_openai, "interlingua": by_us}


def streams(url):
    client = openai.OpenAI(base_url=url, api_key=KEY, max_retries=0)

    def by_openai():
        return chunks(client.chat.completions.create(**BODY, stream=True))

    def by_us():
        ours = {**BODY, "model": f"openai/{MODEL}"}
        return chunks(interlingua.completion(**ours, api_base=url, api_key=KEY, stream=True))

    return {"openai": by_openai, "interlingua": by_us}


def asyncio_calls(url):
    loop = asyncio.new_event_loop()
    client = openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0)

    async def by_openai():
        answer = await client.chat.completions.create(**BODY)
        return said(answer.choices[0].message.content)

    async def by_us():
        answer = await interlingua.acompletion(**{**BODY, "model": f"openai/{MODEL}"}, api_base=url, api_key=KEY)
        return said(answer.choices[0].message.content)

    async def together(ask):
        return sum(await asyncio.gather(*(ask() for _ in range(AT_ONCE))))

    return {
        "openai": lambda: loop.run_until_complete(together(by_openai)),
        "interlingua": lambda: loop.run_until_complete(together(by_us)),
    }


def said(text):
    assert WORD in text, text
    return 1


def chunks(stream):
    count, text = 0, ""
    for chunk in stream:
        count += 1
        for choice in chunk.choices:
            text += choice.delta.content or ""
    said(text)
    return count


# Measuring


def table(unit, asking, options):
    rounds = {name: [] for name in asking}
    for ask in asking.values():
        measured(ask, 0.2)
    # They take turns, so that all meet the machine in the same moods.
    for _ in range(options.rounds):
        for name, ask in asking.items():
            rounds[name].append(measured(ask, options.seconds))
    print(f"\n{unit:<42}{'us':>8}{'cpu us':>8}")
    for name, figures in rounds.items():
        wall, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{name:<42}{wall:8.1f}{cpu:8.1f}")


def measured(ask, seconds):
    """Microseconds for each unit: of the clock, and of the processor."""
    began, worked, units = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        units += ask()
    return (time.perf_counter() - began) / units * 1e6, (time.process_time() - worked) / units * 1e6


if __name__ == "__main__":
    main()
