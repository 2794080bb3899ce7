"""The snippets of the guides run as printed."""

import os
import pathlib
import re
import subprocess
import sys

GUIDES = pathlib.Path(__file__).parents[3] / "docs" / "guides"


def test_the_router_guide() -> None:
    snippets = re.findall(r"```python\n(.*?)```", (GUIDES / "router.md").read_text(), re.DOTALL)
    assert len(snippets) > 5
    environment = {**os.environ, "AZURE_API_KEY": "none"}
    command = [sys.executable, "-c", "\n".join(snippets)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "30 [" in ran.stdout


def test_the_search_guide() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", (GUIDES / "search.md").read_text(), re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
