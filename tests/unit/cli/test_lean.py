"""What the daemon does not load, because it never uses it: its memory and its start are what that would cost."""

import gc
import importlib
import json
import subprocess
import sys

import pytest

from relay.cli.lean import loading_without

UNUSED = {"rich", "pygments", "phonenumbers", "alembic", "psycopg", "opentelemetry", "paho", "jsonschema"}
LOADED = """
import json, sys
sys.argv = ["relay", "--version"]
from relay.__main__ import main
try:
    main()
except SystemExit:
    pass
from relay.cli.lean import loading_without
with loading_without():
    import relay.cli.serving
from relay.providers import discover
discover()
print(json.dumps(sorted(sys.modules)))
"""


def test_the_daemon_loads_nothing_that_it_does_not_use() -> None:
    """Neither for its logs, nor for what only some settings or another database need."""
    ended = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    loaded = set(json.loads(ended.stdout.splitlines()[-1]))
    assert "relay.wiring" in loaded
    assert loaded & UNUSED == set()
    assert "sqlalchemy.dialects.postgresql" not in loaded


def test_what_is_hidden_can_be_loaded_afterwards() -> None:
    """Also where the block was left by an error."""
    with pytest.raises(ModuleNotFoundError), loading_without("zipapp"):
        importlib.import_module("zipapp")
    assert importlib.import_module("zipapp").create_archive


def test_what_is_loaded_already_stays() -> None:
    """Somebody has it, and uses it."""
    with loading_without("json"):
        assert importlib.import_module("json") is sys.modules["json"]
    assert "json" in sys.modules


def test_garbage_is_collected_afterwards() -> None:
    """And only while modules are loaded it is not."""
    with loading_without():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
