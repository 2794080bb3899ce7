"""Waits in an asyncio loop for what the native half is doing.

The native threads never touch Python: they put a token on a list and write one byte to a socket that the loop watches.
Each loop has a bridge of its own, so nothing outlives the loop, and any number of loops can follow each other.
"""

from __future__ import annotations

import asyncio
import threading
import weakref

from ._native import Notifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Bridge:
    """One loop's doorbell and the futures that wait for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.notifier = Notifier()
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.next = 0
        try:
            loop.add_reader(self.notifier.fileno(), self._ring)
        except (NotImplementedError, OSError):
            # Windows' proactor loop watches no descriptors.
            name = "interlingua-waiter"
            args = (weakref.ref(self), self.notifier, weakref.ref(loop))
            threading.Thread(target=_watch, args=args, name=name, daemon=True).start()

    async def result(self, pending: Any) -> Any:
        """What `pending` brings. A cancelled wait hangs up."""
        token = self.next
        self.next += 1
        try:
            result = pending.poll(self.notifier, token)
            while result is None:
                future = asyncio.get_running_loop().create_future()
                self.waiting[token] = future
                await future
                result = pending.poll(self.notifier, token)
        except BaseException:
            self.waiting.pop(token, None)
            pending.cancel()
            raise
        return result

    def _ring(self) -> None:
        for token in self.notifier.drain():
            future = self.waiting.pop(token, None)
            if future is not None and not future.done():
                future.set_result(None)


_bridges: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Bridge] = weakref.WeakKeyDictionary()


def bridge() -> Bridge:
    """The running loop's bridge."""
    loop = asyncio.get_running_loop()
    found = _bridges.get(loop)
    if found is None:
        found = _bridges[loop] = Bridge(loop)
    return found


def _watch(bridge: weakref.ref[Bridge], notifier: Notifier, loop: weakref.ref[asyncio.AbstractEventLoop]) -> None:
    """Waits in a thread, for as long as the bridge lives."""
    while _pass_on(bridge, loop, rung=notifier.wait(1.0)):
        pass


def _pass_on(bridge: weakref.ref[Bridge], loop: weakref.ref[asyncio.AbstractEventLoop], *, rung: bool) -> bool:
    """Rings in the loop's own thread. Holds neither of them any longer; whether they are still there."""
    alive, running = bridge(), loop()
    if alive is None or running is None or running.is_closed():
        return False
    if rung:
        done = threading.Event()

        def ring(alive: Bridge = alive) -> None:
            alive._ring()
            done.set()

        try:
            running.call_soon_threadsafe(ring)
        except RuntimeError:  # It was closed in between.
            return False
        done.wait(1.0)
    return True
