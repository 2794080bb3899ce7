"""The gateway, as the wheel's console script."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

import interlingua
from conftest import Upstream

SCRIPT = Path(sysconfig.get_path("scripts")) / "interlingua"


def test_the_script_says_its_version() -> None:
    for command in ([str(SCRIPT)], [sys.executable, "-m", "interlingua"]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done
        assert interlingua.__version__ in done.stdout


def test_the_gateway_serves_and_ends_when_told(upstream: Upstream, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    params = {"model": "openai/gpt-4o", "api_key": "sk", "api_base": f"{upstream.url}/v1"}
    config.write_text(json.dumps({"model_list": [{"model_name": "mine", "litellm_params": params}]}))
    command = [str(SCRIPT), "--config", str(config), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as gateway:
        try:
            # It says where it answers as soon as it does.
            address = next(found[0] for line in gateway.stdout or () if (found := re.search(r"http://\S+", line)))
            answer = ask(address)
        finally:
            gateway.terminate()
            gateway.communicate(timeout=30)
    assert answer["choices"][0]["message"]["content"] == "Hello!"
    assert gateway.returncode == 0


def ask(address: str) -> dict[str, list[dict[str, dict[str, str]]]]:
    body = json.dumps({"model": "mine", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)
