"""The keeper: the process between a server and the starter. It ends the server when the starter lets go, or is no more.

``python keeper.py PIPE FOLDER COMMAND …`` runs the command as long as somebody holds the other end of the pipe. Run as
a script, with nothing but the standard library, in a session of its own: a Ctrl-C in the terminal is not for it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import Final

END_SECONDS: Final = 15.0
LET_GO: Final = b"."
"""What the starter writes before it closes the pipe. Without it, it was killed, and has left its folder behind."""


def keep(pipe: int, folder: str, command: list[str]) -> int:
    """Run ``command`` and give its exit code; 0 if it was ended from here."""
    server = subprocess.Popen(command)
    ended: list[bool] = []

    def end() -> None:
        ended.append(os.read(pipe, 1) == LET_GO)
        server.terminate()
        try:
            server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()

    threading.Thread(target=end, daemon=True).start()
    code = server.wait()
    if ended == [False]:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if ended else code


if __name__ == "__main__":
    status = keep(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)  # what the server has started, if it has not ended them
    sys.exit(status)
