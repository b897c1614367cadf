"""Feed every parser what no host ever said: `python -m benchmarks.fuzz --seconds 600 --seed 1`.

Each round takes a good output (or one that another parser likes), cuts, doubles, swaps and spoils
parts of it, and requires an answer that can be hashed and written out, or a ParseError. A find is
printed with the bytes that made it; a parser that takes over a second is one as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

from mlxdiag.errors import ParseError
from tests.facts.test_any_bytes import CASES, SHARDS
from tests.facts.test_ranks import GOOD

SLOW_S = 1.0
MOST_BYTES = 20_000
PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    **{f"{name} (ranks)": case for name, case in GOOD.items()},
    **CASES,
}


def main() -> int:
    """Run until the time is up; give 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chance, seeds = random.Random(asked.seed), [good for _, good in PARSERS.values()]
    ends, rounds, found = time.monotonic() + asked.seconds, Counter[str](), Counter[str]()
    while time.monotonic() < ends:
        for name, (parse, good) in PARSERS.items():
            rounds[name] += 1
            said = _spoilt(good if chance.random() < 0.9 else chance.choice(seeds), seeds, chance)
            if trouble := _trouble(parse, said):
                found[f"{name}: {trouble}"] += 1
                if found[f"{name}: {trouble}"] == 1:
                    print(f"{name}: {trouble}: {said[:2000]!r}", flush=True)
    print(f"{sum(rounds.values())} outputs to {len(rounds)} parsers, seed {asked.seed}:", end=" ")
    print("; ".join(f"{text} ({n})" for text, n in found.items()) or "nothing found")
    return 1 if found else 0


def _trouble(parse: Callable[[bytes], object], said: bytes) -> str:
    began = time.process_time()
    try:
        fact = parse(said)
        hash(fact)
        repr(fact).encode()
    except ParseError as error:
        str(error).encode()
    except Exception as error:  # noqa: BLE001  # that is what is looked for
        return f"{type(error).__name__}: {str(error)[:80]}"
    took = time.process_time() - began
    return "slow" if took > SLOW_S else ""


def _spoilt(good: bytes, seeds: list[bytes], chance: random.Random) -> bytes:
    said = bytearray(good)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(said))
        length = int(chance.expovariate(1 / 20))
        match chance.randrange(7):
            case 0:
                del said[at : at + length]
            case 1:
                said[at:at] = chance.choice(SHARDS)
            case 2:
                said[at:at] = said[at : at + length] * chance.randint(1, 5)
            case 3:
                said[at:at] = chance.randbytes(length % 9)
            case 4:
                other = chance.choice(seeds)
                start = chance.randint(0, len(other))
                said[at : at + length] = other[start : start + length]
            case 5 if said:
                said[at % len(said)] ^= 1 << chance.randrange(8)
            case _:
                lines = said.split(b"\n")
                chance.shuffle(lines)
                said = bytearray(b"\n".join(lines[: chance.randint(1, len(lines))]))
    return bytes(said[:MOST_BYTES])


if __name__ == "__main__":
    sys.exit(main())
