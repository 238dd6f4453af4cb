"""Compiled statements, one store for all engines of the process: what one has compiled serves the others.

A journal has two engines, and a spool or a move two more: to compile a statement costs more than to run it.
"""

from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

_MOST = 1_500  # statements; relay has some hundreds
_COMPILED: "LRUCache[Any, Any]" = LRUCache(_MOST)
_DIALECTS: dict[str, Dialect] = {}  # by the kind of the engines: such as have seen their database


def sharing(engine: Engine, kind: str) -> Engine:
    """Have an engine share what it compiles with all others of its kind, as far as these were made later.

    Args:
        engine: one that has not connected yet.
        kind: engines of one kind are made with the same options, for the same sort of database.
    """
    engine.update_execution_options(compiled_cache=_COMPILED)
    known = _DIALECTS.get(kind)
    if known is None:
        # By then the dialect knows its database.
        event.listen(engine, "connect", lambda *_: _DIALECTS.setdefault(kind, engine.dialect))
    else:
        engine.dialect = known
    return engine
