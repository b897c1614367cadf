"""The floor: what asyncssh itself takes. python -I floor.py HOSTS.json FANOUT.

One connection per host, one session, the same commands as one shell script, nothing parsed. Host
keys are checked against known_hosts, which is read once, and so is the key of the user.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncssh


async def _collect(asked: dict[str, Any], fanout: int) -> list[bytes]:
    known = asyncssh.read_known_hosts(asked["known_hosts"])
    key = asyncssh.read_private_key(asked["identity_file"])
    places = asyncio.Semaphore(fanout)

    async def one(address: str) -> bytes:
        async with (
            places,
            asyncssh.connect(
                address,
                asked["port"],
                config=None,
                username=asked["user"],
                client_keys=[key],
                known_hosts=known,
                agent_path=None,
            ) as connection,
        ):
            done = await connection.run(asked["script"], encoding=None, check=True)
            return bytes(done.stdout or b"")  # type: ignore[arg-type]

    return await asyncio.gather(*map(one, asked["addresses"]))


def main() -> None:
    """Collect, and print how many bytes came."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(sum(map(len, asyncio.run(_collect(asked, int(sys.argv[2]))))))


if __name__ == "__main__":
    main()
