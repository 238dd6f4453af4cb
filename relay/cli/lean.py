"""The daemon's modules -> loaded, without what others load along and the daemon never uses: it lives long."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading_without(*modules: str) -> Iterator[None]:
    """In this block, whoever can do without one of these modules does; what is loaded already stays as it is.

    Nothing is collected meanwhile, and what was loaded is never looked at again: it is there for good.
    """
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None, the documented way to have none
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
