"""relay, in a process that was given files as systemd gives them: numbered from 3, and named in its environment."""

import json
import os
import runpy
import socket

MOST = 8  # files
FIRST = 3

if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.connect(os.environ.pop("HANDS"))
        said, files, _, _ = socket.recv_fds(way, 4096, MOST)
    names = json.loads(said)
    for number, file in enumerate(files, start=FIRST):
        # They come with higher numbers: the way itself had the first.
        os.dup2(file, number)
        os.close(file)
    if names:
        os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
    runpy.run_module("relay", run_name="__main__", alter_sys=True)
