"""SIGTERM and SIGINT -> an orderly stop; a second one ends the process at once."""

import asyncio
import logging
import os
import signal
from types import FrameType

_BOTH = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals() -> asyncio.Event:
    """The event that the first signal sets. Needs the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in _BOTH:
            loop.remove_signal_handler(number)
            # Not through the loop: it may be just what hangs.
            signal.signal(number, _end_at_once)
        stop.set()

    for number in _BOTH:
        loop.add_signal_handler(number, first)
    return stop


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    logging.shutdown()
    os._exit(1)
