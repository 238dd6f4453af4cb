"""Every module of relay can be imported, and none has anything to say while it is."""

import subprocess
import sys

from tests.repo.sources import ROOT, python_sources


def test_every_module_imports_without_a_warning() -> None:
    """In one fresh interpreter that treats warnings as errors; migrations are loaded by Alembic alone."""
    modules = [s.module for s in python_sources("relay") if not s.name.startswith("relay/journal/migrations/")]
    program = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    command = [sys.executable, "-W", "error", "-c", program, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
