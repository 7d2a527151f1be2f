"""A child process that dies with its parent, however the parent died: SIGKILL leaves no orphan.

The parent starts the child with `stdin=PIPE` and never writes. The kernel closes the pipe when the parent ends, the
child's watching thread reads end-of-file and ends the child at once. Works wherever there are pipes.
"""

import os
import signal
import threading

ORPHANED = 75
"""Exit status of a child whose parent died (EX_TEMPFAIL: try again)."""


def die_with_parent() -> None:
    """End this process as soon as the other end of its standard input is closed, with its children if it leads them."""
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(ORPHANED)  # no cleaning up: everything on disk is written so that dying at any moment is fine
