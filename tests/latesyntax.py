"""The grammars of addresses, which jsonschema loads with itself: two seconds in each process that only collects tests.

Made known before jsonschema is imported, they are built when an address is first held against them.
"""

import sys
from functools import cache
from importlib import import_module
from types import ModuleType

_NAME = "rfc3987_syntax"


class _Late(ModuleType):
    """Stands for the package until it is asked."""

    @staticmethod
    def is_valid_syntax(term: str, value: str) -> bool:
        """What the package says."""
        return bool(_loaded().is_valid_syntax(term, value))


def put_off() -> None:
    """Load them late, unless they are there."""
    sys.modules.setdefault(_NAME, _Late(_NAME))


@cache
def _loaded() -> ModuleType:
    del sys.modules[_NAME]
    return import_module(_NAME)
