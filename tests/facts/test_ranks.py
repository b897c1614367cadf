"""Parsers of what is asked of running ranks: captures where there are any, else their grammar."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts import (
    environment,
    footprint,
    gdb,
    ioclasscount,
    ioreg_accelerator,
    ioreg_rdma,
    lsof,
    macmon,
    proc_memory,
    proc_stat,
    proc_waits,
    ps,
    py_spy,
    rank_file,
    sample,
    ss,
    swapusage,
    vm_stat,
)
from tests.facts.test_any_bytes import survives
from tests.facts.test_captures import CAPTURES
from tests.hang import model

PS_MAC = (
    b"  812     1 alex             S    99.7 92274688 Sat Nov 28 18:15:40 2026        01:02:03"
    b"   528:19.99 /opt/homebrew/bin/python3.13 /Users/alex/serve.py --model Kimi K2\n"
    b"   94   812 _www             U+     0.0   1024 Tue Nov  3 09:05:00 2026     25-00:00:01"
    b"     0:00.01 \n"
)
PS_LINUX = (
    b"29951 29948 root     R<l   0.5  4732 Sat Nov 28 18:22:45 2026       00:00 00:00:01 ps -A\n"
)
SS = (
    b'LISTEN    0      128          0.0.0.0:22         0.0.0.0:*     users:(("sshd",pid=7,fd=3))\n'
    b'ESTAB     2000   7      127.0.0.1:21026    127.0.0.1:60544 users:(("python",pid=30000,fd=4),'
    b'("python",pid=30001,fd=4)) bbr rto:204 bytes_sent:214000 bytes_retrans:2000 '
    b"bytes_acked:212000 bytes_received:5 segs_out:107\n"
)
LSOF = (
    b"p30000\nf3\nn127.0.0.1:37952->127.0.0.1:21027\nTST=ESTABLISHED\nTQR=2000\nTQS=0\n"
    b"f5\nn*:8080\nTST=LISTEN\nTQR=0\nTQS=0\np30001\nf4\nn[::1]:60544\nTST=LISTEN\n"
)
DUMP = (
    b"Process 30000: /x/.venv/bin/python rank.py\nPython v3.11.7 (/usr/bin/python3.11)\n\n"
    b'Thread 30000 (idle): "MainThread"\n    loop (rank.py:20)\n    <module> (rank.py:21)\n'
    b'Thread 0x16BC (active+gil): "a (strange) \\"name\\""\n    work (pkg/deep.py:3)\n'
)
GDB = (
    b"[New LWP 30030]\n\n"
    b'Thread 2 (Thread 0x7fea6c5fa6c0 (LWP 30048) "python"):\n'
    b"#0  syscall () at ../sysdeps/unix/sysv/linux/x86_64/syscall.S:38\n"
    b"#1  0x00007f30c5f in mlx::core::scheduler::StreamThread::thread_fn() () from /x/libmlx.so\n"
    b"#2  0x00007f in mlx::core::distributed::ring::RingGroup::all_gather(mlx::core::array const&)"
    b"::{lambda()#1}::operator()() const () from /x/libmlx.so\n\n"
    b'Thread 1 (Thread 0x7f0279fccb80 (LWP 28236) "python"):\n'
    b"#0  time_sleep (self=..., timeout_obj=...) at ./Modules/timemodule.c:383\n"
    b"[Inferior 1 (process 30001) detached]\n"
)
SAMPLE = model.sample(
    812, [(1000, model.EVAL)], [(400, model.mesh()), (600, model.RESTING)]
).encode()
RDMA = (
    b"+-o rdma_en3  <class AppleThunderboltRDMAInterface, id 0x1, registered, matched, active>\n"
    b'  | "IOPowerManagement" = {"CurrentPowerState"=2}\n'
    b"  +-o IORDMAFamilyUC  <class IORDMAFamilyUC, id 0x2, !registered>\n"
    b'      "IOUserClientCreator" = "pid 812, python3.13"\n'
)
GPU = (
    b"+-o AGXAcceleratorG15X  <class AGXAcceleratorG15X, id 0x1, registered>\n"
    b'    "PerformanceStatistics" = {"In use system memory (driver)"=0,"Device Utilization %"=97,'
    b'"In use system memory"=2363801600}\n'
)
VM = (
    b"Mach Virtual Memory Statistics: (page size of 16384 bytes)\nPages free:  100.\n"
    b'Pages wired down:     7.\n"Translation faults":   9.\nSwapins:   2.\nSwapouts:   3.\n'
)
MEMINFO = (
    b"MemTotal:  1000 kB\nMlocked:  3 kB\nSwapTotal:  10 kB\nSwapFree:  4 kB\npswpin 1\npswpout 2\n"
)

GOOD: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "ps": (ps.parse, PS_MAC + PS_LINUX),
    "environment_ps": (environment.parse_ps, b"812 MLX_RANK=1 MLX_X=/tmp/h\n7 JACCL_RANK=2\n"),
    "environment_proc": (
        environment.parse_proc,
        b"/proc/7/environ:MLX_RANK=0\0/proc/7/environ:MLX_X=\n\0",
    ),
    "proc_stat": (
        proc_stat.parse,
        b"7 (a) b) S 1 " + b"0 " * 9 + b"150 50 " + b"0 " * 6 + b"999 1\n",
    ),
    "ss": (ss.parse, SS),
    "lsof": (lsof.parse, LSOF),
    "sample": (sample.parse, SAMPLE),
    "py_spy": (py_spy.parse, DUMP),
    "gdb": (gdb.parse, GDB),
    "ioreg_accelerator": (ioreg_accelerator.parse, GPU),
    "ioreg_rdma": (ioreg_rdma.parse, RDMA),
    "ioclasscount": (ioclasscount.parse, b"AppleThunderboltRDMAProtectionDomain = 3\n"),
    "vm_stat": (vm_stat.parse, VM),
    "swapusage": (swapusage.parse, b"total = 1.00M  used = 0.50M  free = 0.50M\n"),
    "macmon": (macmon.parse, b'{"gpu_usage":[461,0.25],"memory":{}}\n'),
    "footprint": (footprint.parse, b"Python [7]: 64-bit    Footprint: 199.2 GB (16384 bytes)\n"),
    "proc_memory": (proc_memory.parse, MEMINFO),
    "proc_waits": (
        proc_waits.parse,
        b"/proc/7/task/7/wchan:futex_do_wait\n/proc/7/task/8/wchan:0\n",
    ),
    "rank_file": (rank_file.parse, b'[["10.0.0.1:32323"], ["10.0.0.2:32324"]]'),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_cut_anywhere_it_is_read_or_refused(name: str) -> None:
    parse, good = GOOD[name]
    hash(parse(good))
    for at in range(0, len(good), max(1, len(good) // 150)):
        survives(parse, good[:at])
        survives(parse, good[at:])
        survives(parse, good[:at] + b"\xff\n9" + good[at:])
        survives(parse, good[:at] + "٣\u2028".encode() + good[at + 5 :])


@pytest.mark.parametrize(
    "name",
    sorted(
        set(GOOD)
        - {"ps", "ss", "lsof", "environment_ps", "environment_proc", "proc_stat", "ioreg_rdma"}
    ),
)
def test_another_programs_words_are_refused(name: str) -> None:
    with pytest.raises(ParseError):
        GOOD[name][0](b"command not found\n")


def test_ps_of_both_systems() -> None:
    rank, worker, linux = ps.parse(PS_MAC + PS_LINUX)
    assert (rank.pid, rank.parent, rank.user, rank.state) == (812, 1, "alex", "S")
    assert (rank.began, rank.age_s, rank.cpu_s) == ("Sat Nov 28 18:15:40 2026", 3723, 31699.99)
    assert (rank.rss_bytes, rank.words[1]) == (92274688 * 1024, "/Users/alex/serve.py")
    assert (worker.state, worker.began, worker.arguments) == ("U", "Tue Nov 3 09:05:00 2026", "")
    assert worker.age_s == 25 * 86400 + 1
    assert (linux.cpu_s, linux.stat) == (1, "R<l")
    with pytest.raises(ParseError):
        ps.parse(b"  PID  PPID USER\n")


def test_a_time_that_is_none_does_not_cost_the_list() -> None:
    odd = PS_LINUX.replace(b"      00:00 00:00:01", b"      - 4294967295-")
    assert [(p.age_s, p.cpu_s) for p in ps.parse(odd)] == [(None, None)]


def test_variables() -> None:
    told = environment.parse_ps(b"812 MLX_RANK=1 MLX_HOSTFILE=/tmp/h\n")[0]
    assert (told.pid, told.values) == (812, {"MLX_RANK": "1", "MLX_HOSTFILE": "/tmp/h"})
    with pytest.raises(ParseError):
        environment.parse_ps(b"812 OPENAI_API_KEY=x\n")
    with pytest.raises(ParseError):
        environment.parse_proc(b"/proc/7/environ:PATH=/bin\0")


def test_sockets() -> None:
    listens, joined = ss.parse(SS)
    assert (listens.port, listens.remote, listens.state, listens.pids) == (22, "", "LISTEN", (7,))
    assert (joined.pids, joined.port, joined.far_port) == ((30000, 30001), 21026, 60544)
    assert (joined.unread_bytes, joined.unsent_bytes, joined.moved_bytes) == (2000, 7, 212005)
    first, server, other = lsof.parse(LSOF)
    assert (first.unread_bytes, first.far_port, first.moved_bytes) == (2000, 21027, None)
    assert (server.port, server.state, other.local) == (8080, "LISTEN", "[::1]:60544")
    assert lsof.parse_failure(b"", b"") == ()
    with pytest.raises(ParseError, match="cannot"):
        lsof.parse_failure(b"", b"lsof: cannot stat")


def test_a_sample_becomes_paths() -> None:
    main, stream = sample.parse(SAMPLE).threads
    assert (main.name, main.count) == ("DispatchQueue_1: com.apple.main-thread (serial)", 1000)
    assert [path.count for path in stream.paths] == [600, 400]
    assert stream.paths[1].frames[-1] == "ibv_poll_cq"
    assert stream.paths[1].frames[2].startswith("void mlx::core::distributed::jaccl::MeshImpl::")
    assert sample.parse(SAMPLE).footprint_bytes == round(88.4 * 2**30)


def test_a_sample_with_branches() -> None:
    tree = (
        b"Analysis of sampling a.out (pid 9) every 1 millisecond\nCall graph:\n"
        b"    438 Thread_1   DispatchQueue_1: com.apple.main-thread  (serial)\n"
        b"    + 221 main  (in a.out) + 74  [0x10a279f6a]\n"
        b"    + ! 217 free_large  (in libsystem_malloc.dylib) + 538  [0x7fff]\n"
        b"    + ! : 217 madvise  (in libsystem_kernel.dylib) + 10  [0x7fff]\n"
        b"    + 217 main  (in a.out) + 61  [0x10a279f5d]\n"
        b"    100 Thread_2: worker\n"
        b"      100 start  (in dyld) + 6076  [0x1]\n\nTotal number in stack:\n"
    )
    one, two = sample.parse(tree).threads
    assert [(p.count, p.frames) for p in one.paths] == [
        (217, ("main", "free_large", "madvise")),
        (217, ("main",)),
        (4, ("main",)),
    ]
    assert (two.name, two.paths[0].frames) == ("worker", ("start",))


def test_a_dump_of_py_spy() -> None:
    main, other = py_spy.parse(DUMP).threads
    assert (main.name, main.active, str(main.lines[0])) == (
        "MainThread",
        False,
        "loop (rank.py:20)",
    )
    assert (other.active, other.lines[0].file, other.lines[0].line) == (True, "pkg/deep.py", 3)
    with pytest.raises(ParseError, match="requires root"):
        py_spy.parse_failure(b"", b"This program requires root on OSX.\nTry running again\n")


def test_stacks_of_gdb() -> None:
    stream, main = gdb.parse(GDB).threads
    assert stream.frames[0] == "syscall"
    assert stream.frames[1] == "mlx::core::scheduler::StreamThread::thread_fn()"
    assert stream.frames[2].startswith("mlx::core::distributed::ring::RingGroup::all_gather(")
    assert main.frames == ("time_sleep",)
    with pytest.raises(ParseError, match="not permitted"):
        gdb.parse_failure(b"", b"ptrace: Operation not permitted.\n")


def test_hosts() -> None:
    assert ioreg_accelerator.parse(GPU).percent == 97
    port = ioreg_rdma.parse(RDMA)[0]
    assert (port.device, port.up, port.owners) == ("rdma_en3", True, ("pid 812 (python3.13)",))
    assert ioreg_rdma.parse(b"") == ()
    both = b"AppleThunderboltRDMAProtectionDomain = 3, AppleThunderboltRDMAQueuePair = 4\n"
    assert ioclasscount.parse(both) == ioclasscount.ClassCount(3, 4)
    pages = vm_stat.parse(VM)
    assert (pages.wired_bytes, pages.swapped_bytes) == (7 * 16384, 5 * 16384)
    linux = proc_memory.parse(MEMINFO)
    assert (linux.total_bytes, linux.swap_used_bytes, linux.swapped_bytes) == (1024000, 6144, 12288)
    assert macmon.parse(b'{"gpu_active_ratio":0.5}').percent == 50
    assert rank_file.parse(b'[[null, "rdma_en3"], ["rdma_en3", null]]') == rank_file.RankFile(2, ())
    assert rank_file.parse(GOOD["rank_file"][1]).places[1] == ("10.0.0.2:32324",)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures are not on this machine")
def test_captures() -> None:
    def text(name: str) -> bytes:
        return (CAPTURES / name).read_bytes()

    head = sample.parse(text("sample__python_27.0_header_only_trimmed.txt"))
    assert (head.pid, head.footprint_bytes, head.threads) == (96033, round(88.4 * 2**30), ())
    print_ = footprint.parse(text("footprint_p__python_mlx.txt"))
    assert (print_.pid, print_.footprint_bytes) == (62283, round(199.2 * 2**30))
    assert macmon.parse(text("macmon_pipe__16GB_mac_compact_0.6.json")).percent == 0.4
    with pytest.raises(ParseError):  # the readme's, with comments in it
        macmon.parse(text("macmon_pipe__readme_annotated_2025.txt"))
    stats = vm_stat.parse(text("vm_stat__mbp_m4max_128GB.txt"))
    assert (stats.wired_bytes, stats.swapped_bytes) == (315751 * 16384, None)
    assert swapusage.parse(text("sysctl_vm_swapusage.txt")).used_bytes == 5120 << 20
    assert swapusage.parse(text("sysctl_n_vm_swapusage__no_swap.txt")).used_bytes == 0
    ports = ioreg_rdma.parse(text("ioreg_rdma_interface_blocked__test_constructed.txt"))
    assert [(p.device, p.up, p.domains, p.pairs, p.stuck) for p in ports] == [
        ("rdma_en2", False, 1, 0, 1),
        ("rdma_en3", True, 1, 1, 2),
    ]
    for other in ("ps_aux__mlx_lm_server_m3ultra.txt", "ps_o__python_workers_elided.txt"):
        with pytest.raises(ParseError):  # other columns than ours
            ps.parse(text(other))
    with pytest.raises(ParseError):
        lsof.parse(text("lsof_nP_iTCP_LISTEN__macos_shape.txt"))
