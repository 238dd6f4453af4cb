"""`python -m relay`: the same as the command `relay`."""

from relay.cli.main import run

if __name__ == "__main__":
    run()
