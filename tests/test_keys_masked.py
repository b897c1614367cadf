"""Keys: no key stays in arguments or logs, and what is no key does."""

from __future__ import annotations

import pytest

from mlxdiag.facts import processes
from mlxdiag.keys import masked, masked_forms, masked_log

HEAD = b"  PID  PPID STAT     ELAPSED COMMAND\n"
KEYS = [
    b"--api-key sk1geheim",
    b"--api-key=sk1geheim",
    b'--api-key "sk1geheim and more"',
    b"API_KEY=sk1geheim",
    b'{"api_key": "sk1geheim"}',
    b'{"api_key":"sk1geheim","n":1}',
    rb"{\"api_key\": \"sk1geheim\"}",
    b"{'auth_token': 'sk1geheim'}",
    b"password: sk1geheim",
    b"Authorization: Bearer sk1geheim",
    b"http://sk1geheim:sk1geheim@host.lan/v1",
    b"https://sk1geheim@host.lan/v1",
    b"hf_sk1geheimsk1geheim",
    b"sk-sk1geheimsk1geheim",
    b"Bearer sk1geheimsk1geheim",
]


@pytest.mark.parametrize("said", KEYS)
def test_a_key_goes_from_logs_and_arguments(said: bytes) -> None:
    for mask in (masked, masked_log):
        assert b"sk1geheim" not in mask(b"mlx_lm.server " + said + b" -v\n")
        assert b"***" in mask(said)
        assert mask(b"mlx_lm.server " + said + b"\n").startswith(b"mlx_lm.server ")


@pytest.mark.parametrize("said", KEYS)
def test_a_key_goes_from_a_process(said: bytes) -> None:
    line = b"  812     1 S       05:00 /opt/venv/bin/python3.12 -m mlx_lm.server " + said + b"\n"
    kept = processes.kept(HEAD + line)
    assert b"mlx_lm.server" in kept
    assert b"sk1geheim" not in kept


@pytest.mark.parametrize(
    "said",
    [
        b"Generation: 256 tokens, 31.4 tokens-per-sec",
        b"prompt tokens: 128, tokens: 64",
        b"max_tokens=512",
        b"the token limit was exceeded",
        b"No value at that key path or invalid key path",
        b"http://host.lan:8080/v1",
        b"task-sk-runner risk-averse-thing",
        b"error: ibv_reg_mr failed: Cannot allocate memory",
    ],
)
def test_what_is_no_key_stays_in_a_log(said: bytes) -> None:
    assert masked_log(said) == said


def test_a_password_of_digits_goes() -> None:
    assert masked_log(b"MLX_API_KEY=123456 password: 98765") == b"MLX_API_KEY=*** password: ***"


def test_a_long_word_takes_no_time() -> None:
    said = b"A" * (1 << 20) + b"-" * (1 << 16)
    assert masked(said) == said


@pytest.mark.parametrize("said", [key for key in KEYS if b"auth" not in key and b"more" not in key])
def test_a_key_goes_from_what_any_command_prints(said: bytes) -> None:
    assert b"sk1geheim" not in masked_forms(b"status: " + said + b" -v\n")


@pytest.mark.parametrize(
    "said",
    [
        b'"current_speed_key" : "Up to 80 Gb/s"',
        b'"domain_uuid_key" : "DA6775E2-C70A-41FA-BB8C-5AB38408B6D4"',
        b"Key: rdma, Value: 64087",
        b"machdep.cpu.brand_string: Apple M3 Ultra",
    ],
)
def test_fields_of_commands_are_no_keys(said: bytes) -> None:
    assert masked_forms(said) == said
