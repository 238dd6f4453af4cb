"""A process that runs one command of relay's after another: orders come in as lines of JSON, and so go the answers.

A process for each command would spend a tenth of a second of a processor on its beginning and its end.
"""

import json
import os
import sys
import traceback
from typing import Any

from typer.testing import CliRunner

from relay.cli.main import app


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """Run one command: `words`, and what it reads, `stdin`; gives its exit code, and what it printed."""
    done = CliRunner().invoke(app, order["words"], input=order["stdin"])
    defect = "" if done.exception is None or isinstance(done.exception, SystemExit) else _told(done.exception)
    return {"code": done.exit_code, "said": done.output + defect}


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()
