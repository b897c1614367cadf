"""A bare rank: the loop of `probe` with nothing around it. python -m benchmarks.bare JSON.

No supervisor, no heartbeat, no deadline, no check: what a few lines of anybody's own would measure.
Prints the samples as JSON, nanoseconds per iteration, a list per size.
"""

from __future__ import annotations

import json
import sys
import time

import mlx.core as mx


def main() -> None:
    """Time `iterations[size]` sums of each size in bytes, after `warmup`, as float32."""
    asked = json.loads(sys.argv[1])
    mx.set_default_device(mx.cpu)
    group = mx.distributed.init(strict=True, backend=asked["backend"])
    one = mx.ones(1, dtype=mx.int32)
    found: dict[str, list[int]] = {}
    for size, iterations in asked["iterations"].items():
        value = mx.ones(max(1, int(size) // 4), dtype=mx.float32)
        mx.eval(value)
        for _ in range(asked["warmup"]):
            mx.eval(mx.distributed.all_sum(value, group=group))
        mx.eval(mx.distributed.all_sum(one, group=group))
        samples = []
        for _ in range(iterations):
            start = time.perf_counter_ns()
            mx.eval(mx.distributed.all_sum(value, group=group))
            samples.append(time.perf_counter_ns() - start)
        found[size] = samples
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
