"""ibv_devices, ibv_devinfo -v and rdma_ctl: tabs as in rdma-core's examples, values of macOS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.model.cluster import ACTIVE, Port
from tests.model.machine import Mac, eui64_address, node_guid, secured_address
from tests.model.printed import Printed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DEVICE_LIMITS = """\
	max_mr_size:			0xfa0000
	page_size_cap:			0x4000
	max_qp:				11
	max_qp_wr:			4095
	device_cap_flags:		0x00000000
	max_sge:			1
	max_sge_rd:			0
	max_cq:				11
	max_cqe:			8190
	max_mr:				100
	max_pd:				11
	max_qp_rd_atom:			0
	max_ee_rd_atom:			0
	max_res_rd_atom:		0
	max_qp_init_rd_atom:		0
	max_ee_init_rd_atom:		0
	atomic_cap:			ATOMIC_NONE (0)
	max_ee:				0
	max_rdd:			0
	max_mw:				0
	max_raw_ipv6_qp:		0
	max_raw_ethy_qp:		0
	max_mcast_grp:			0
	max_mcast_qp_attach:		0
	max_total_mcast_qp_attach:	0
	max_ah:				0
	max_fmr:			0
	max_srq:			0
	max_pkeys:			1
	local_ca_ack_delay:		0
"""

_EXTENDED_LIMITS = """\
	general_odp_caps:
	rc_odp_caps:
					NO SUPPORT
	uc_odp_caps:
					NO SUPPORT
	completion_timestamp_mask not supported
	core clock not supported
	device_cap_flags_ex:		0x0

	cq moderation caps:
		max_cq_count:	16
		max_cq_period:	4 us

	tag matching not supported
"""


def ibv_devices(mac: Mac, ports: Sequence[Port]) -> Printed:
    if not mac.has_rdma_tools:
        return missing("ibv_devices")
    head = f"    {'device':<16}\t   node GUID\n    {'------':<16}\t----------------\n"
    rows = [
        f"    {_device(port):<16}\t{node_guid(mac, port.receptacle).hex()}\n"
        for port in _enumerated(mac, ports)
    ]
    return Printed("".join((head, *rows)).encode())


def ibv_devinfo(mac: Mac, ports: Sequence[Port]) -> Printed:
    if not mac.has_rdma_tools:
        return missing("ibv_devinfo")
    if blocks := [_block(port) for port in _enumerated(mac, ports)]:
        return Printed("".join(blocks).encode())
    return Printed(stderr=b"No IB devices found\n", exit_status=255)


def rdma_ctl(mac: Mac) -> Printed:
    return Printed(f"{mac.rdma}\n".encode()) if mac.has_rdma_tools else missing("rdma_ctl")


def missing(binary: str) -> Printed:
    """Return what a shell says of a command that this macOS does not have."""
    text = f"zsh:1: command not found: {binary}\n"
    return Printed(stderr=text.encode(), exit_status=127, outcome="missing")


def _device(port: Port) -> str:
    return f"rdma_{port.interface}"


def _enumerated(mac: Mac, ports: Sequence[Port]) -> Sequence[Port]:
    """Return the ports with a device; macOS 26.2 lists the fourth of a Mac before the third."""
    found = [port for port in ports if port.has_device]
    if mac.version == (26, 2) and len(found) > 3:
        found[2], found[3] = found[3], found[2]
    return found


def _block(port: Port) -> str:
    lines = "".join((*_device_lines(port), *_port_lines(port), *_gid_lines(port)))
    return f"hca_id:\t{_device(port)}\n{lines}\n"


def _device_lines(port: Port) -> Iterator[str]:
    guid = _quads(node_guid(port.mac, port.receptacle))
    image = _quads(node_guid(port.mac, min(port.mac.interfaces)))
    yield "\ttransport:\t\t\tThunderbolt (100)\n"
    yield f"\tnode_guid:\t\t\t{guid}\n"
    yield f"\tsys_image_guid:\t\t\t{image}\n"
    yield "\tvendor_id:\t\t\t0x0000\n\tvendor_part_id:\t\t\t0\n\thw_ver:\t\t\t\t0x0\n"
    yield "\tphys_port_cnt:\t\t\t1\n"
    yield _DEVICE_LIMITS
    yield _EXTENDED_LIMITS if port.mac.extended_devinfo else ""
    yield "\tnum_comp_vectors:\t\t1\n"


def _port_lines(port: Port) -> Iterator[str]:
    lid = sorted(port.mac.interfaces).index(port.receptacle) + 1
    slow = port.state == ACTIVE and port.speed_gbps == 40
    yield "\t\tport:\t1\n"
    yield f"\t\t\tstate:\t\t\t{port.state}\n"
    yield "\t\t\tmax_mtu:\t\t4096 (5)\n\t\t\tactive_mtu:\t\t4096 (5)\n"
    yield f"\t\t\tsm_lid:\t\t\t{lid}\n\t\t\tport_lid:\t\t{lid}\n\t\t\tport_lmc:\t\t0x00\n"
    yield "\t\t\tlink_layer:\t\tThunderbolt\n\t\t\tmax_msg_sz:\t\t0x1000000\n"
    yield "\t\t\tport_cap_flags:\t\t0x00000000\n\t\t\tport_cap_flags2:\t0x0000\n"
    yield "\t\t\tmax_vl_num:\t\tinvalid value (0)\n"
    yield "\t\t\tbad_pkey_cntr:\t\t0x0\n\t\t\tqkey_viol_cntr:\t\t0x0\n\t\t\tsm_sl:\t\t\t0\n"
    yield "\t\t\tpkey_tbl_len:\t\t1\n\t\t\tgid_tbl_len:\t\t1024\n"
    yield "\t\t\tsubnet_timeout:\t\t0\n\t\t\tinit_type_reply:\t0\n"
    yield f"\t\t\tactive_width:\t\t{'4X (2)' if slow else '8X (4)'}\n"
    yield "\t\t\tactive_speed:\t\t10.0 Gbps (4)\n"


def _gid_lines(port: Port) -> Iterator[str]:
    for index, gid in enumerate(gids(port)):
        yield f"\t\t\tGID[{index:3d}]:\t\t{gid}\n"


def gids(port: Port) -> list[str]:
    """Return the GID table: the port's own fe80, then the addresses of its interface."""
    ipv4 = [f"::ffff:{address.partition('/')[0]}" for address in port.own_ipv4]
    has_ipv6 = port.linked and port.has_interface and not port.bridged
    ipv6 = [secured_address(port.mac, port.interface)] if has_ipv6 else []
    rest = ipv6 + ipv4 if port.late_ipv4 else ipv4 + ipv6
    return [eui64_address(port.ether), *rest]


def _quads(guid: bytes) -> str:
    return guid.hex(":", 2)
