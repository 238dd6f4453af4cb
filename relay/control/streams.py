"""Answers that go on: each is a task of its own, so that a stop of relay need not wait for its end."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiohttp import web
from pydantic_core import to_json


class Streams:
    """The answers that go on."""

    def __init__(self) -> None:
        self._going: set[asyncio.Task[None]] = set()

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """An answer of one JSON object a line, begun."""
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        return response

    async def go_on(self, writing: Coroutine[Any, Any, None]) -> None:
        """Write until it ends, its reader is gone, or relay stops."""
        task = asyncio.create_task(writing)
        self._going.add(task)
        try:
            with suppress(ConnectionResetError, asyncio.CancelledError):
                await task
        finally:
            self._going.discard(task)
            task.cancel()

    def stop(self) -> None:
        """Let every reader go."""
        for task in tuple(self._going):
            task.cancel()


def line_of(value: Any) -> bytes:
    """One JSON object as a line."""
    return bytes(to_json(value)) + b"\n"
