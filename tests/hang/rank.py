"""A rank of ring that goes wrong in one way: python rank.py MODE WHO TOKEN. For the live tests.

It prints `ready` once the ranks go round, and then, as rank WHO, does what MODE says.
"""

from __future__ import annotations

import socket
import sys
import time

import mlx.core as mx

STEPS = 5


def step(group: mx.distributed.Group, x: mx.array) -> None:
    mx.eval(mx.distributed.all_sum(x, group=group))


def gather(group: mx.distributed.Group) -> None:
    """Ask for much: the few bytes of the others' sums feed it for minutes, as over ring they do."""
    mx.eval(mx.distributed.all_gather(mx.ones(2_000_000), group=group))


def spin() -> None:
    while True:
        pass


def next_message(link: socket.socket) -> None:
    link.recv(16)


def go_on(group: mx.distributed.Group, x: mx.array, mode: str) -> None:
    while True:
        try:
            step(group, x)
        except RuntimeError:  # as a server that catches what a request raises: later ones hang
            x = mx.ones(1_000_000)
        if mode != "other":
            time.sleep(0.15 if mode == "slow" else 0.01)


def main(mode: str, who: int) -> None:
    mx.set_default_device(mx.cpu)
    group = mx.distributed.init(strict=True, backend="ring")
    x = mx.ones(8 if mode == "other" else 1000)
    for _ in range(STEPS):
        step(group, x)
    print("ready", flush=True)
    if group.rank() == who:
        if mode == "skip":
            time.sleep(600)
        if mode == "busy":
            spin()
        if mode == "other":
            gather(group)
        if mode == "control":
            ours, theirs = socket.socketpair()
            next_message(ours)
            theirs.close()
    go_on(group, x, mode)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
