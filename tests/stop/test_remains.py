"""What a server left on a host: what is held, what is not known, and what is another's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlxdiag.capture import ACCESS, Capture, Captures, Outcome
from mlxdiag.cli.stop import _code
from mlxdiag.facts.ss import Socket
from mlxdiag.inventory import Host, Inventory, Server
from mlxdiag.processes import compiled
from mlxdiag.render.stopped import told as told_of
from mlxdiag.render.stopped import verdict
from mlxdiag.stop.command import Listed, Result, Run, Stop, ports
from mlxdiag.stop.remains import State, Stopped, remains, state
from mlxdiag.stop.targets import Population, population

GIB = 1 << 30
LISTENS = (Socket((9,), "LISTEN", "*:32323", ""), Socket((8,), "LISTEN", "*:22", ""))
BEFORE = State(LISTENS, 300 * GIB, 1, 3, ((9, "pid 9 (python3)"),), 512 * GIB)
CLEAN = State((LISTENS[1],), 6 * GIB, 0, 0, (), 512 * GIB)
OURS = Stopped(frozenset({9}), (), frozenset({1, 8}))
NONE = replace(OURS, pids=frozenset())
EXO = ((77, "pid 77 (exo)"),)


def test_what_is_left() -> None:
    assert remains(BEFORE, CLEAN, OURS).left == ()
    assert remains(BEFORE, replace(CLEAN, sockets=LISTENS), OURS).left == (
        "port 32323 is held by pid 9",
    )
    assert remains(BEFORE, replace(CLEAN, wired_bytes=290 * GIB), OURS).left == (
        "311 GB are wired, as much as before (322 GB): a restart gives them back",
    )
    held = replace(CLEAN, domains=2, owners=BEFORE.owners)
    assert remains(BEFORE, held, OURS).left == (
        "2 protection domains and 0 queue pairs are left in the kernel, held by pid 9 (python3);"
        " without an owner only a restart frees them",
    )


def test_a_port_of_the_inventory_that_another_process_holds_is_left() -> None:
    other = replace(OURS, ports=(22,))
    assert remains(BEFORE, CLEAN, other).left == ("port 22 is held by pid 8",)
    assert remains(BEFORE, CLEAN, replace(other, pids=frozenset())).left == (
        "port 22 is held by pid 8",
    )


def test_a_mac_at_rest_is_clean() -> None:
    rests = replace(BEFORE, wired_bytes=6 * GIB, memory_bytes=64 * GIB)
    assert remains(rests, rests, replace(NONE, ports=())).left == ()
    assert remains(rests, replace(CLEAN, memory_bytes=64 * GIB), OURS).left == ()
    full = replace(CLEAN, wired_bytes=290 * GIB)
    assert remains(BEFORE, full, NONE).left == ()  # nothing of ours was stopped here


def test_domains_of_another_process_that_lives_are_noted_only() -> None:
    lives = replace(OURS, running=frozenset({1, 8, 77}))
    exos = replace(CLEAN, domains=1, pairs=3, owners=EXO)
    said = remains(replace(BEFORE, owners=EXO), exos, lives)
    assert (said.left, len(said.noted)) == ((), 1)
    assert "held by pid 77 (exo)" in said.noted[0]
    assert remains(exos, exos, NONE).left == ()
    # the server had one open as well, and their count did not go down
    both = replace(BEFORE, domains=1, pairs=3, owners=(*EXO, *BEFORE.owners))
    assert len(remains(both, exos, lives).left) == 1
    # an owner that is no process any more owns nothing
    assert len(remains(BEFORE, exos, OURS).left) == 1


def said(**captures: Capture) -> Captures:
    return {ACCESS: Capture(ACCESS, (), Outcome.EXITED, 0), **captures}


def ran(name: str, text: str, outcome: Outcome = Outcome.EXITED) -> Capture:
    status = 0 if outcome is Outcome.EXITED else None
    return Capture(name, (), outcome, status, stdout=text.encode())


MAC = {
    "after_lsof": "p9\nf3\nn*:32323\nTST=LISTEN\n",
    "after_vm_stat": "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
    "Pages free: 100.\nPages wired down: 400000.\nSwapins: 0.\nSwapouts: 0.\n",
    "after_swapusage": "vm.swapusage: total = 0.00M  used = 0.00M  free = 0.00M\n"
    "hw.memsize: 549755813888\n",
    "after_ioclasscount": "AppleThunderboltRDMAProtectionDomain = 0\n",
    "after_ioreg_rdma": "",
}


def test_a_mac_that_says_all() -> None:
    told = {name: ran(name, text) for name, text in MAC.items()}
    found = state("mac", said(**told), "after")
    assert (found.gaps, found.wired_bytes, found.memory_bytes) == ((), 400000 * 16384, 512 * GIB)
    assert remains(CLEAN, found, NONE).unknown == ()


@pytest.mark.parametrize("name", ["after_lsof", "after_vm_stat", "after_ioclasscount"])
@pytest.mark.parametrize("outcome", [Outcome.MISSING, Outcome.TIMEOUT])
def test_what_is_missing_is_not_known(name: str, outcome: Outcome) -> None:
    told = {n: ran(n, text, outcome if n == name else Outcome.EXITED) for n, text in MAC.items()}
    found = state("mac", said(**told), "after")
    assert len(found.gaps) == 1
    assert remains(CLEAN, found, NONE).unknown == found.gaps


def test_a_state_of_which_nothing_is_known_is_not_clean() -> None:
    nothing = State(None, None, None, None, ())
    assert remains(nothing, nothing, OURS).unknown
    assert remains(BEFORE, replace(CLEAN, memory_bytes=None), OURS).unknown
    blind = replace(CLEAN, gaps=("its sockets: missing",), sockets=None)
    assert remains(blind, CLEAN, OURS).unknown == ("before: its sockets: missing",)


PS = "8 1 root S 0.0 10 Fri Jan 30 20:14:05 2026 00:10 0:01.00 /usr/sbin/sshd\n"
HOSTS = (Host("mac", "10.0.0.1"),)


def stopped(server: Server, sockets: str) -> tuple[Result, list[str], int]:
    """Compare and say, as the command does, where no process was found."""
    told = {name: ran(name, text) for name, text in MAC.items()} | {
        "after_lsof": ran("after_lsof", sockets),
        "after_ps": ran("after_ps", PS),
    }
    pattern = compiled("serve[.]py")
    people = population("mac", said(**told), "after", pattern)
    assert isinstance(people, Population)
    listed = Listed({"mac": people}, {"mac": state("mac", said(**told), "after")})
    inventory = Inventory("lab", HOSTS, server=server)
    run = Run(inventory, Stop(pattern), listed, lambda _line: None)
    run._compare(listed)
    code = _code(verdict(listed, run.result), run.result.ended)
    return run.result, list(told_of(listed, run.result)), code


def test_without_a_process_only_free_ports_make_it_clean() -> None:
    busy = "p8\nf3\nn*:8080\nTST=LISTEN\n"
    url = Server(url="http://10.0.0.1:8080/v1")
    assert stopped(url, busy)[1:] == (
        ["left on mac: port 8080 is held by pid 8", "LEFT: 1 thing"],
        1,
    )
    assert stopped(Server(port=8080), busy)[2] == 1
    assert stopped(url, "p8\n")[1:] == (["CLEAN: nobody listens at port 8080"], 0)
    assert stopped(Server(), busy)[1:] == (
        ["UNKNOWN: no process of the server was found; say its port in the inventory's server"],
        3,
    )


def test_an_address_that_names_a_host_counts_there_alone() -> None:
    two = (Host("a", "10.0.0.1"), Host("b", "b.local"))
    made = Inventory("lab", two, server=Server(url="http://b.local:8080", port=32323))
    assert (ports(made, "a"), ports(made, "b")) == ((32323,), (32323, 8080))
    far = replace(made, server=Server(url="http://[::1]:8080/v1"))
    assert (ports(far, "a"), ports(far, "b")) == ((8080,), (8080,))
