"""Runs relay's command line with its standard input as its terminal, as a login shell would: Ctrl-C reaches it."""

import fcntl
import os
import runpy
import sys
import termios

os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv[0] = "relay"
runpy.run_module("relay", run_name="__main__", alter_sys=True)
