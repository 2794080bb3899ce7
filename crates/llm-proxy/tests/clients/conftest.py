"""A gateway over a loopback vendor, for the clients of the vendors themselves."""

import os
import pathlib
import re
import subprocess
import tempfile
import threading

import pytest

from upstream import Upstream

KEY = "sk-test-master-key"

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "{url}", api_key: sk-ant-upstream}}
  - model_name: gemini
    litellm_params: {{model: gemini/gemini-2.5-flash, api_base: "{url}", api_key: google-upstream}}
  - model_name: text-embedding-3-small
    litellm_params: {{model: openai/text-embedding-3-small, api_base: "{url}/v1", api_key: sk-upstream}}
  - model_name: broken/*
    litellm_params: {{model: "openai/*", api_base: "{url}/v1", api_key: sk-upstream}}
router_settings:
  num_retries: 0
  disable_cooldowns: true
  fallbacks: [{{"broken/html": ["gpt-4o"]}}]
general_settings:
  master_key: {key}
"""


@pytest.fixture(scope="session")
def upstream():
    server = Upstream()
    yield server
    server.close()


class Gateway:
    """A running `llm-proxy`."""

    def __init__(self, arguments, environment=None):
        clean = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        self.process = subprocess.Popen(
            [os.environ["INTERLINGUA_GATEWAY"], "--host", "127.0.0.1", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # What it keeps beside itself is its own.
            cwd=tempfile.mkdtemp(prefix="gateway-"),
            env={**clean, **(environment or {})},
        )
        self.lines = []
        self.url = None
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"https?://127\.0\.0\.1:(\d+)", line)
            if found:
                self.url, self.port = found.group(0), int(found.group(1))
                break
        assert self.url, "".join(self.lines)
        # Read on, or the gateway would wait for us.
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def stop(self):
        """Tells it to stop. Afterwards `lines` is all that it said."""
        self.process.terminate()
        return self.wait()

    def wait(self):
        code = self.process.wait(timeout=60)
        self.reader.join(timeout=60)
        return code


@pytest.fixture(scope="session")
def gateway(upstream, tmp_path_factory):
    config: pathlib.Path = tmp_path_factory.mktemp("gateway") / "config.yaml"
    config.write_text(CONFIG.format(url=upstream.url, key=KEY))
    running = Gateway(["--config", str(config)])
    yield running
    assert running.stop() == 0
