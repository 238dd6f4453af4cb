"""What ends the demo early, as a plain sentence."""


class Trouble(Exception):  # noqa: N818 - it says what it is
    """Something that the demo needs is not there, or did not happen in its time. The text is for a person."""
