"""settings -> a running relay, until a signal stops it."""

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from relay.cli.ending import ending_in_words
from relay.cli.signals import ring_on_hangup, stop_on_signals
from relay.ids import unguessable
from relay.journal import Bell
from relay.providers import discover
from relay.settings import load_settings
from relay.telemetry.logging import configure
from relay.telemetry.notify import Notifier
from relay.web.listening import Listening, handed_over
from relay.wiring import Again, serve


def run_until_stopped(config: Path | None) -> None:
    """Run relay with the settings of `config`; returns after a clean stop.

    Raises:
        typer.Exit: it could not start; the reason stands on standard error.
    """
    with ending_in_words():
        providers = discover()
        models = {name: provider.settings for name, provider in providers.items()}
        read = partial(load_settings, path=config, environment=os.environ, line_models=models)
        settings = read()
        configure_logs = partial(configure, settings.log.format, settings.log.level, sys.stdout)
        configure_logs(unguessable().encode())

        async def live() -> None:
            notifier = Notifier.from_environment(os.environ)
            stop, asked = stop_on_signals(), Bell()
            ring_on_hangup(asked.ring, stop)
            listening = Listening(notifier, handed_over(os.environ))
            await serve(
                settings,
                providers,
                notifier=notifier,
                stop=stop,
                use_peer_key=configure_logs,
                listening=listening,
                again=Again(read, asked),
            )

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(live())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed."""
    if find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - it is an extra

    return uvloop.new_event_loop
