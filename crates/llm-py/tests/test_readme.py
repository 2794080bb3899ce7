"""The README's Python snippets that need only the wheel run as printed."""

import pathlib
import re
import subprocess
import sys

import pytest

README = (pathlib.Path(__file__).parents[3] / "README.md").read_text()
SNIPPETS = [s for s in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "from interlingua" in s]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet(snippet: str) -> None:
    ran = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_there_are_snippets() -> None:
    assert SNIPPETS
