"""A server to be stopped: python served.py TOKEN [stubborn] [child]. For the tests of `stop`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

if __name__ == "__main__":
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "child" in sys.argv:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
    print("ready", flush=True)
    time.sleep(3600)
