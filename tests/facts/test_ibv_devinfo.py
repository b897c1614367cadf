from __future__ import annotations

import dataclasses

import pytest

from mlxdiag.errors import ParseError
from mlxdiag.facts.ibv_devinfo import (
    COMMAND,
    Gid,
    IbvDevinfo,
    VerbsDevice,
    VerbsPort,
    parse,
    parse_failure,
)

PLAIN = b"""\
hca_id:\trdma_en1
\ttransport:\t\t\tThunderbolt (100)
\tnode_guid:\t\t\ta0b1:c2d3:e4f5:ac05
\tsys_image_guid:\t\t\ta0b1:c2d3:e4f5:ac05
\tvendor_id:\t\t\t0x0000
\tvendor_part_id:\t\t\t0
\thw_ver:\t\t\t\t0x0
\tphys_port_cnt:\t\t\t1
\t\tport:\t1
\t\t\tstate:\t\t\tPORT_DOWN (1)
\t\t\tmax_mtu:\t\t4096 (5)
\t\t\tactive_mtu:\t\t4096 (5)
\t\t\tsm_lid:\t\t\t1
\t\t\tport_lid:\t\t1
\t\t\tport_lmc:\t\t0x00
\t\t\tlink_layer:\t\tThunderbolt

"""

VERBOSE = b"""\
hca_id:\trdma_en2
\ttransport:\t\t\tThunderbolt (100)
\tnode_guid:\t\t\tA1B1:C2D3:E4F5:AC05
\tsys_image_guid:\t\t\ta0b1:c2d3:e4f5:ac05
\tphys_port_cnt:\t\t\t1
\tmax_mr_size:\t\t\t0xfa0000
\tmax_qp:\t\t\t\t11
\tmax_qp_wr:\t\t\t4095
\tdevice_cap_flags:\t\t0x00000000
\t\t\t\t\tUnknown flags: 0x40
\tmax_cq:\t\t\t\t12
\tmax_mr:\t\t\t\t100
\tmax_pd:\t\t\t\t13
\tatomic_cap:\t\t\tATOMIC_NONE (0)
\tgeneral_odp_caps:
\trc_odp_caps:
\t\t\t\t\tNO SUPPORT
\tcompletion_timestamp_mask not supported
\tcore clock not supported

\tcq moderation caps:
\t\tmax_cq_count:\t0

\tmax_cq_period:\t0 us

\ttag matching not supported
\tnum_comp_vectors:\t\t1
\t\tport:\t1
\t\t\tstate:\t\t\tPORT_ACTIVE (4)
\t\t\tmax_mtu:\t\t4096 (5)
\t\t\tactive_mtu:\t\t2048 (4)
\t\t\tlink_layer:\t\tThunderbolt
\t\t\tgid_tbl_len:\t\t1024
\t\t\tactive_width:\t\t8X (4)
\t\t\tactive_speed:\t\t10.0 Gbps (4)
\t\t\tGID[  0]:\t\tfe80::34aa:bbff:fecc:dd04
\t\t\tGID[  2]:\t\t::ffff:169.254.7.9
\t\t\tGID[ 12]:\t\tfe80:0000:0000:0000:0010:0000:0000:00AB
\t\t\tGID[123]:\t\t0000:0000:0000:0000:0000:ffff:c0a8:0105

hca_id:\trdma_en3
\ttransport:\t\t\tThunderbolt (100)
\tphys_port_cnt:\t\t\t1
\tmax_qp:\t\t\t\t3
\t\tport:\t1
\t\t\tstate:\t\t\tPORT_DOWN (1)
\t\t\tactive_mtu:\t\t4096 (5)
\t\t\tactive_width:\t\t8X (4)
\t\t\tactive_speed:\t\t10.0 Gbps (4)

"""

LINUX = b"""\
hca_id: mlx4_0
        transport:                      InfiniBand (0)
        fw_ver:                         2.42.5000
        node_guid:                      e41d:2d03:0011:2230
        phys_port_cnt:                  2
        Device ports:
                port:   1
                        state:                  PORT_ACTIVE (4)
                        active_mtu:             4096 (5)
                        link_layer:             Ethernet
                        active_width:           4X (2)
                        active_speed:           25.0 Gbps (32)
                        GID[  0]:               fe80::e61d:2dff:fe11:2230, RoCE v2

                port:   2
                        state:                  invalid state (9)
                        active_mtu:             invalid MTU (0)
                        link_layer:             InfiniBand

"""


def test_without_v_the_limits_and_the_speed_are_unknown() -> None:
    port = VerbsPort(1, "PORT_DOWN", 4096, "Thunderbolt", None, ())
    device = VerbsDevice(
        "rdma_en1", "Thunderbolt", "a0b1c2d3e4f5ac05", (port,), None, None, None, None
    )
    assert parse(PLAIN) == IbvDevinfo((device,))
    assert not port.active


def test_with_v_blank_lines_and_lines_without_colon_stay_in_their_block() -> None:
    first, second = parse(VERBOSE).devices
    assert (first.max_qp, first.max_cq, first.max_mr, first.max_pd) == (11, 12, 100, 13)
    assert first.node_guid == "a1b1c2d3e4f5ac05"
    (port,) = first.ports
    assert (port.state, port.active, port.active_mtu, port.speed_gbps) == (
        "PORT_ACTIVE",
        True,
        2048,
        80.0,
    )
    assert (second.name, second.max_qp, second.max_pd) == ("rdma_en3", 3, None)


def test_both_spellings_of_a_gid_become_one_and_indexes_keep_their_gaps() -> None:
    (port,) = parse(VERBOSE).devices[0].ports
    assert port.gids == (
        Gid(0, "fe80::34aa:bbff:fecc:dd04"),
        Gid(2, "::ffff:169.254.7.9"),
        Gid(12, "fe80::10:0:0:ab"),
        Gid(123, "::ffff:192.168.1.5"),
    )
    assert [(gid.index, gid.ipv4) for gid in port.mapped] == [
        (2, "169.254.7.9"),
        (123, "192.168.1.5"),
    ]
    assert port.gids[0].ipv4 is None


def test_a_port_inside_a_bridge_has_no_mapped_gid() -> None:
    bridged = b"\n".join(
        line for line in VERBOSE.split(b"\n") if b"ffff:" not in line or b"fe80" in line
    )
    (port,) = parse(bridged).devices[0].ports
    assert len(port.gids) == 2
    assert port.mapped == ()


@pytest.mark.parametrize(
    "text", ["::1", "fe80::ffff:1", "::fffe:1:2", "::ffff:0:1:2", "::127.0.0.1"]
)
def test_only_the_mapped_prefix_makes_an_ipv4_gid(text: str) -> None:
    out = PLAIN.rstrip() + f"\n\t\t\tGID[  0]:\t\t{text}\n".encode()
    (gid,) = parse(out).devices[0].ports[0].gids
    assert gid.ipv4 is None
    assert Gid(0, "::127.0.0.1").ipv4 is None


def test_the_speed_of_a_port_that_is_down_is_a_default_and_not_read() -> None:
    assert parse(VERBOSE).devices[1].ports[0].speed_gbps is None


def test_a_thunderbolt_4_cable_shows_in_the_width() -> None:
    narrow = VERBOSE.replace(b"8X (4)", b"4X (2)", 1)
    assert parse(narrow).devices[0].ports[0].speed_gbps == 40.0


def test_an_active_port_without_v_has_no_speed() -> None:
    (port,) = parse(PLAIN.replace(b"PORT_DOWN (1)", b"PORT_ACTIVE (4)")).devices[0].ports
    assert port.active
    assert port.speed_gbps is None


@pytest.mark.parametrize("out", [PLAIN, VERBOSE, PLAIN + VERBOSE])
def test_tabs_may_have_become_spaces(out: bytes) -> None:
    assert parse(out.expandtabs(8)) == parse(out)
    assert parse(out.replace(b"\t", b" ")) == parse(out)
    assert parse(out.replace(b"\n", b"\r\n")) == parse(out)
    assert parse(out.rstrip()) == parse(out)


def test_a_hand_shortened_gid_index_is_read() -> None:
    assert parse(VERBOSE.replace(b"GID[  0]", b"GID[0]")) == parse(VERBOSE)


def test_linux_with_two_ports_and_its_extra_lines() -> None:
    (device,) = parse(LINUX).devices
    assert device.transport == "InfiniBand"
    first, second = device.ports
    assert (first.number, first.speed_gbps, first.link_layer) == (1, 100.0, "Ethernet")
    assert first.gids == (Gid(0, "fe80::e61d:2dff:fe11:2230"),)
    assert (second.number, second.state, second.active_mtu) == (2, "invalid state", None)


def test_a_transcript_that_mixes_both_streams_is_read() -> None:
    mixed = b"libibverbs: Warning: no config\nFailed to open device\n" + PLAIN
    assert parse(mixed + b"Failed to open device\n") == parse(PLAIN)


def test_no_devices_is_a_failure_that_says_something() -> None:
    assert parse_failure(b"", b"No IB devices found\n").devices == ()
    warned = parse_failure(b"", b"libibverbs: Warning: no config\nNo IB devices found\n")
    assert warned.devices == ()
    assert warned.complaints[-1] == "No IB devices found"


def test_good_blocks_beside_a_device_that_does_not_open() -> None:
    info = parse_failure(PLAIN, b"Failed to open device\n")
    assert info.devices == parse(PLAIN).devices
    assert info.complaints == ("Failed to open device",)


def test_a_port_that_cannot_be_queried_is_missing_and_complained_about() -> None:
    cut = PLAIN[: PLAIN.index(b"\t\tport:")]
    info = parse_failure(cut, b"Failed to query port 1 props\n")
    assert info.devices[0].ports == ()
    with pytest.raises(ParseError, match="0 of 1 ports"):
        parse(cut)


@pytest.mark.parametrize(
    ("out", "err"),
    [
        (b"", b""),
        (b"", b"Failed to open device\n"),
        (b"", b"zsh: command not found: ibv_devinfo\n"),
        (PLAIN, b""),
        (PLAIN, b"libibverbs: Warning: no config\n"),
        (PLAIN, b"Segmentation fault: 11\n"),
        (b"garbage\n", b"Failed to open device\n"),
    ],
)
def test_other_failures_are_no_evidence(out: bytes, err: bytes) -> None:
    with pytest.raises(ParseError):
        parse_failure(out, err)


@pytest.mark.parametrize(
    "out",
    [
        b"",
        b"\n \n",
        b"No IB devices found\n",
        b"dyld[412]: Library not loaded: /usr/lib/librdma.dylib\n",
        b"<html>\n<body>hca_id:</body>\n</html>\n",
        b"\tstate:\t\t\tPORT_ACTIVE (4)\n",
        b"hca_id:\n",
        b"hca_id:\trdma_en1 transport: Thunderbolt (100)\n",
        b"hca_id:\trdma_en1\n\ttransport:\tThunderbolt (100)\n",
        b"hca_id:\trdma_en1\n\tGID[  0]:\tfe80::1\n\tport:\t1\n\tstate:\tPORT_DOWN (1)\n",
        PLAIN.replace(b"\t\tport:", b"\tstate:\tPORT_ACTIVE (4)\n\t\tport:"),
        b"hca_id:\trdma_en1\n\tstate:\tPORT_ACTIVE (4)\n",
        PLAIN + b"Abort trap: 6\n",
        PLAIN.replace(b"PORT_DOWN (1)", b"PORT_DO"),
        PLAIN.replace(b"PORT_DOWN (1)", b"active"),
        PLAIN.replace(b"port:\t1\n", b"port:\tone\n"),
        PLAIN.replace(b"a0b1:c2d3", b"a0b1c2d3"),
        VERBOSE.replace(b"::ffff:169.254.7.9", b"::ffff:169.254.7.900"),
        VERBOSE.replace(b"fe80::34aa:bbff:fecc:dd04", b"fe80::34aa:bbff:fecc:dd04%en2"),
        VERBOSE.replace(b"GID[  0]", b"GID[-1]"),
        VERBOSE.replace(b"\t11\n", b"\televen\n"),
    ],
)
def test_anything_else_is_refused(out: bytes) -> None:
    with pytest.raises(ParseError):
        parse(out)


def test_every_cut_before_the_state_is_refused() -> None:
    end = PLAIN.index(b"PORT_DOWN (1)") + len(b"PORT_DOWN (1)")
    for at in range(end):
        with pytest.raises(ParseError):
            parse(PLAIN[:at])
    assert parse(PLAIN[:end]).devices[0].ports[0].state == "PORT_DOWN"


def test_facts_can_be_put_into_sets() -> None:
    assert len({parse(VERBOSE), dataclasses.replace(parse(VERBOSE))}) == 1


def test_the_command_never_runs_beside_another() -> None:
    assert (COMMAND.lane, COMMAND.exclusive, COMMAND.deadline_s) == ("main", True, 15)
