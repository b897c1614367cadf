"""Run a command and say what it cost: python -I -S meter.py RESULT WORD...

It stands between the benchmark and the command because Linux counts the memory of the process that
forks towards the peak of the one that it becomes: this one is small. The standard library only.
"""

import json
import os
import sys
import time


def main() -> None:
    """Write wall and CPU seconds, peak KiB of the largest process and the exit status as JSON."""
    result, *words = sys.argv[1:]
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.execvp(words[0], words)  # noqa: S606
        finally:
            os._exit(127)
    _, status, used = os.wait4(child, 0)
    wall = time.monotonic() - start
    said = {
        "wall_s": wall,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_kib": used.ru_maxrss,
        "status": os.waitstatus_to_exitcode(status),
    }
    with open(result, "w", encoding="ascii") as file:  # noqa: PTH123
        json.dump(said, file)


if __name__ == "__main__":
    main()
