"""whatever ends a command -> one line on standard error: never a traceback. It loads nothing, to be there first."""

import errno
import os
import sys
import traceback
from types import TracebackType

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def last_word(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A defect, in one line: its text might hold what nobody should see, its place does not.

    For `sys.excepthook`. Ctrl-C is no defect, and needs no word; a full disk under standard output is its reason's.
    """
    if isinstance(error, KeyboardInterrupt):
        return
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        sys.stderr.write(f"relay cannot go on: what it says cannot be written: {os.strerror(error.errno)}\n")
        return
    frames = traceback.extract_tb(trace, limit=-1)
    place = f" at {'/'.join(frames[0].filename.split('/')[-3:])}:{frames[0].lineno}" if frames else ""
    sys.stderr.write(f"relay has met a defect of its own: {kind.__name__}{place}. Please report this line.\n")
