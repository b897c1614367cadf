"""Print what healthy Macs say to the further commands of `mlxdiag check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.machine import GIB
from tests.model.printed import Printed
from tests.model.system import sysctl

if TYPE_CHECKING:
    from tests.model.cluster import ModelCluster
    from tests.model.machine import Mac

SECONDS = {
    "clock": 0.01,
    "environment": 0.01,
    "pmset": 0.02,
    "sysctl_state": 0.02,
    "vm_stat": 0.02,
    "df": 0.01,
    "ps": 0.06,
    "ioclasscount": 0.03,
    "ioreg_accelerator": 0.07,
    "diagnostic_reports": 0.02,
    "netstat": 0.03,
    "lsof": 0.21,
}
"""Further commands in the order they are asked, with how long each takes."""

BEGAN = 1_769_807_645
"""2026-01-30T21:14:05Z, when the recordings of the model began."""

PAGE = 16384


def survey(cluster: ModelCluster, mac: Mac) -> dict[str, Printed]:
    """Return what the Mac prints by command."""
    del cluster
    return {
        "clock": clock(),
        "environment": environment(),
        "pmset": pmset(),
        "sysctl_state": sysctl_state(mac),
        "vm_stat": vm_stat(),
        "df": df(),
        "ps": ps(),
        "ioclasscount": ioclasscount(0, 0) if mac.runs_rdma else Printed(),
        "ioreg_accelerator": ioreg_accelerator(0),
        "diagnostic_reports": Printed(),
        "netstat": netstat(),
        "lsof": Printed(exit_status=1),
    }


def clock(behind_s: int = 0) -> Printed:
    """Print the time some seconds into the run."""
    return Printed(f"{BEGAN + 3 - behind_s}\n".encode())


def environment(**variables: str) -> Printed:
    said = {"SHELL": "/bin/zsh", **variables}
    lines = "".join(f"{name}={value}\n" for name, value in said.items())
    return Printed(f"mlxdiag-environment\n{lines}".encode())


def sysctl_state(mac: Mac, limit_mb: int = 0, swap_mb: float = 0) -> Printed:
    """Print the boot as `sysctl` of the model does."""
    boot = sysctl(mac).stdout.partition(b"kern.boottime: ")[2]
    swap = f"total = {swap_mb:.2f}M  used = {swap_mb:.2f}M  free = 0.00M"
    crypt = "  (encrypted)" if swap_mb else ""
    lines = f"iogpu.wired_limit_mb: {limit_mb}\nvm.swapusage: {swap}{crypt}\n"
    return Printed(lines.encode() + b"kern.boottime: " + boot)


def vm_stat(wired_gib: float = 5) -> Printed:
    pages = {
        "Pages free": 20_000_000,
        "Pages active": 3_000_000,
        "Pages inactive": 2_900_000,
        "Pages speculative": 200_000,
        "Pages throttled": 0,
        "Pages wired down": int(wired_gib * GIB / PAGE),
        "Pages purgeable": 9322,
        '"Translation faults"': 4_063_523_096,
        "File-backed pages": 3_197_112,
        "Swapins": 0,
        "Swapouts": 0,
    }
    lines = "".join(f"{f'{name}:':<30} {count:>16}.\n" for name, count in pages.items())
    return Printed(f"Mach Virtual Memory Statistics: (page size of {PAGE} bytes)\n{lines}".encode())


def df(free_gib: int = 1200) -> Printed:
    size, free = 1_948_404_800, free_gib << 20
    return Printed(
        "Filesystem     1024-blocks      Used Available Capacity  Mounted on\n"
        f"/dev/disk3s1s1  {size}  11534336 {free}     1%    /\n".encode()
    )


def ps(*lines: str) -> Printed:
    """Print init, a kernel's task and these lines `PID PPID STAT ELAPSED COMMAND`."""
    plain = (
        "    1     0 Ss   02-03:04:05 /sbin/launchd",
        "  412     1 Ss      03:04:05 /usr/libexec/logd",
    )
    head = "  PID  PPID STAT     ELAPSED COMMAND"
    return Printed("".join(f"{line}\n" for line in (head, *plain, *lines)).encode())


def ioclasscount(domains: int, pairs: int) -> Printed:
    return Printed(
        f"AppleThunderboltRDMAProtectionDomain = {domains},"
        f" AppleThunderboltRDMAQueuePair = {pairs}, \n".encode()
    )


def ioreg_accelerator(busy: int) -> Printed:
    """Print the few lines that matter of the many that there are."""
    return Printed(
        b"+-o AGXAcceleratorG15X  <class AGXAcceleratorG15X, id 0x100000a1b, registered, matched,"
        b" active, busy 0 (12 ms), retain 91>\n    {\n"
        b'      "IOClass" = "AGXAcceleratorG15X"\n'
        b'      "PerformanceStatistics" = {"In use system memory (driver)"=0,'
        b'"Alloc system memory"=3571138560,"Tiler Utilization %"=0,'
        + f'"Device Utilization %"={busy},"SplitSceneCount"=0}}\n'.encode()
        + b'      "gpu-core-count" = 80\n    }\n    \n'
    )


def netstat(*listening: str) -> Printed:
    """Print these lines of sockets `tcp4  0  0  *.32323  *.*  LISTEN` below the heads."""
    head = (
        "Active Internet connections (including servers)",
        "Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)    ",
        "tcp4       0      0  *.22                   *.*                    LISTEN     ",
    )
    return Printed("".join(f"{line}\n" for line in (*head, *listening)).encode())


def pmset(sleep: str = "0", powermode: str = "0") -> Printed:
    settings = {
        "Sleep On Power Button": "1",
        "autorestart": "1",
        "powernap": "0",
        "standby": "0",
        "networkoversleep": "0",
        "disksleep": "0",
        "sleep": sleep,
        "ttyskeepawake": "1",
        "displaysleep": "10",
        "tcpkeepalive": "1",
        "powermode": powermode,
        "womp": "1",
    }
    lines = "".join(f" {key:<20} {value}\n" for key, value in settings.items())
    return Printed(f"System-wide power settings:\nCurrently in use:\n{lines}".encode())
