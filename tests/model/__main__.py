"""Write one case: python -m tests.model CASE DIR."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.model.cases import CASES
from tests.model.recording import write_recording, write_simhost


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("case", nargs="?", choices=sorted(CASES), metavar="CASE")
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--simhost", action="store_true", help="write stand-ins of the commands")
    asked = parser.parse_args()
    if asked.list:
        print("\n".join(CASES))
    elif asked.case is None or asked.folder is None:
        parser.error("CASE and DIR, or --list")
    else:
        write = write_simhost if asked.simhost else write_recording
        write(CASES[asked.case](), asked.folder)


if __name__ == "__main__":
    main()
