"""The README's snippets run as printed."""

import pathlib
import re
import subprocess
import sys

import pytest
from conftest import Gateway

README = (pathlib.Path(__file__).parents[4] / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def demo():
    gateway = Gateway([])
    yield gateway.url
    assert gateway.stop() == 0


@pytest.mark.parametrize("snippet", [b for b in blocks("python") if "openai" in b and "base_url" in b])
def test_python(demo, snippet):
    code = snippet.replace("http://localhost:4000", demo)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and "Hello" in ran.stdout, ran.stderr


@pytest.mark.parametrize("snippet", [b for b in blocks("sh") if b.startswith("curl")])
def test_curl(demo, snippet):
    command = snippet.replace("http://localhost:4000", demo)
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert '"choices"' in ran.stdout, ran.stderr


@pytest.mark.parametrize("snippet", blocks("yaml"))
def test_configuration(tmp_path, snippet):
    config = tmp_path / "config.yaml"
    config.write_text(snippet)
    environment = {"ANTHROPIC_API_KEY": "x", "GROQ_API_KEY": "x", "LITELLM_MASTER_KEY": "sk-readme-key", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    gateway = Gateway(["--config", str(config)], environment)
    assert gateway.stop() == 0
    assert "smart" in "".join(gateway.lines)
