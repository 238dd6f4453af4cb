"""The command `relay`, and `python -m relay`. Loading takes a while: Ctrl-C has to be understood before it begins."""

import sys

from relay.cli.lastword import last_word


def main() -> None:
    """Run the command that the process' arguments name; ends the process."""
    sys.excepthook = last_word
    from relay.cli.main import run  # noqa: PLC0415 - after the line above

    run()


if __name__ == "__main__":
    main()
