"""The command `relay`, and `python -m relay`. Loading takes a while: Ctrl-C has to be understood before it begins."""

import sys

from relay.cli.lastword import last_word
from relay.cli.lean import loading_without


def main() -> None:
    """Run the command that the process' arguments name; ends the process."""
    sys.excepthook = last_word
    # structlog would take it for tracebacks, which relay's own logging never shows.
    with loading_without("rich"):
        from relay.cli.main import run  # noqa: PLC0415 - after the lines above

    run()


if __name__ == "__main__":
    main()
