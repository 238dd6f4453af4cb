"""SIGTERM and SIGINT -> an orderly stop; a second one ends the process at once."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
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


def ring_on_hangup(ring: Callable[[], None], stop: asyncio.Event) -> None:
    """Have SIGHUP ring; but where it came because relay's terminal was closed, it stops relay. Needs the running loop.

    Args:
        ring: is called in the loop.
        stop: is set where the terminal is gone: nobody could see or stop relay any more.
    """
    had_terminal = os.isatty(1)

    def hangup() -> None:
        if had_terminal and not _has_terminal():
            stop.set()
        else:
            ring()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup)


def _has_terminal() -> bool:
    try:
        os.tcgetpgrp(1)
    except OSError:
        return False
    return True


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    logging.shutdown()
    os._exit(1)
