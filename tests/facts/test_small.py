"""clock, df, environment, ioclasscount, ioreg_accelerator, vm_stat: whole outputs and others."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts import clock, df, ioclasscount, ioreg_accelerator, login_environment, vm_stat
from tests.model import survey
from tests.model.machine import GIB


def test_clock() -> None:
    assert clock.parse(b"1769807648\n").seconds == 1_769_807_648
    for out in (b"", b"Fri Jan 30 21:14:05 UTC 2026\n", b"17698\n", b"1769807648\nx\n"):
        with pytest.raises(ParseError):
            clock.parse(out)


def test_df() -> None:
    found = df.parse(survey.df(4).stdout)
    assert (found.free_bytes, found.size_bytes) == (4 * GIB, 1_948_404_800 << 10)
    with_512 = survey.df().stdout.replace(b"1024-blocks", b"512-blocks")
    for out in (b"", with_512, survey.df().stdout + b"df: /x: Input/output error\n"):
        with pytest.raises(ParseError):
            df.parse(out)


def test_vm_stat() -> None:
    assert vm_stat.parse(survey.vm_stat(414).stdout).wired_bytes == 414 * GIB
    good = survey.vm_stat().stdout
    assert vm_stat.parse(good.replace(b"Pages wired", b"Pages hard")).wired_bytes is None
    for out in (b"", good.replace(b"16384", b"many")):
        with pytest.raises(ParseError):
            vm_stat.parse(out)


def test_ioclasscount() -> None:
    both = ioclasscount.parse(survey.ioclasscount(11, 3).stdout)
    assert (both.domains, both.pairs) == (11, 3)
    one = ioclasscount.parse(b"AppleThunderboltRDMAProtectionDomain = 2, ")
    assert (one.domains, one.pairs) == (2, None)
    assert ioclasscount.parse(b"").domains is None
    for out in (b"IOService = 3, \n", b"usage\n", b"AppleThunderboltRDMAQueuePair = x, \n"):
        with pytest.raises(ParseError):
            ioclasscount.parse(out)


def test_ioreg_accelerator_takes_the_busiest() -> None:
    two = survey.ioreg_accelerator(7).stdout + survey.ioreg_accelerator(93).stdout
    assert ioreg_accelerator.parse(two).percent == 93
    idle = survey.ioreg_accelerator(0).stdout
    assert ioreg_accelerator.parse(idle.replace(b"Device", b"Other")).percent is None
    for out in (b"", idle.replace(b'%"=0,"S', b'%"=101,"S')):
        with pytest.raises(ParseError):
            ioreg_accelerator.parse(out)


def test_the_value_of_a_variable_that_is_called_like_a_key_is_not_shown() -> None:
    said = survey.environment(MLX_SERVER_API_KEY="sk-1", MLX_Auth_x="a", MLX_RANK="1").stdout
    assert login_environment.parse(said).mlx == {
        "MLX_Auth_x": "***",
        "MLX_RANK": "1",
        "MLX_SERVER_API_KEY": "***",
    }


@pytest.mark.skipif(shutil.which("awk") is None, reason="no awk here")
def test_awk_does_not_print_the_value_of_a_key() -> None:
    names = ("MLX_SERVER_API_KEY", "JACCL_TOKEN", "MLX_hf_secret", "MLX_PASSWORD", "MLX_AUTH")
    environ = {"PATH": "/usr/bin:/bin", "MLX_RANK": "3", **dict.fromkeys(names, "geheim")}
    said = subprocess.run(
        login_environment.COMMAND.argv, env=environ, capture_output=True, check=True
    ).stdout
    assert b"geheim" not in said
    assert b"MLX_RANK=3\n" in said
    for name in names:
        assert f"{name}=***\n".encode() in said


def test_environment() -> None:
    said = survey.environment(MLX_RANK="1", XPC_SERVICE_NAME="0").stdout
    assert login_environment.parse(said).by_name["SHELL"] == "/bin/zsh"
    assert login_environment.parse(said).mlx == {"MLX_RANK": "1"}
    for out in (b"", b"SHELL=/bin/zsh\n", said + b"AWS_SECRET=x\n", said + b"no variable\n"):
        with pytest.raises(ParseError):
            login_environment.parse(out)


@pytest.mark.skipif(shutil.which("awk") is None, reason="there is no awk here")
def test_awk_gives_what_is_asked_for_and_no_other_value() -> None:
    env = {
        "PATH": "/usr/bin:/bin",
        "SHELL": "/bin/zsh",
        "JACCL_RANK": "1",
        "MLX_X": "two\nlines=é",
        "OPENAI_API_KEY": "sk-secret",
        "NOT_MLX_Y": "1",
    }
    argv = list(login_environment.COMMAND.argv)
    said = subprocess.run(argv, env=env, capture_output=True, check=True).stdout
    assert b"secret" not in said
    found = login_environment.parse(said)
    assert set(found.by_name) == {"SHELL", "JACCL_RANK", "MLX_X"}
    assert found.by_name["MLX_X"].startswith("two?lines=?")
