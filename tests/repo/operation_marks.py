"""A plugin of pytest's own collection: prints which operations the collected tests make, one JSON line each."""

import json
import sys

import pytest

BEGIN = "operation "


def pytest_collection_finish(session: pytest.Session) -> None:
    """Every mark of every test; marks may also stand at a parameter."""
    for item in session.items:
        for mark in item.iter_markers("operation"):
            sys.stdout.write(f"\n{BEGIN}{json.dumps(mark.args)}\n")
