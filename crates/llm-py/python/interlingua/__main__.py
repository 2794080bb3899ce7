"""The gateway: `interlingua --config config.yaml`, or `python -m interlingua`."""

from __future__ import annotations

import signal
import sys

from ._native import serve


def main() -> int:
    """Runs the gateway until it is told to stop."""
    # The gateway hears Ctrl-C itself, and drains before it ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return serve(["interlingua", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
