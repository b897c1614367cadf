"""Pseudonyms: equal stays equal, what shared a network still does, and the rest is gone."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxdiag.bundle import models
from mlxdiag.bundle.ipv4 import Ipv4Pseudonyms
from mlxdiag.bundle.pseudonyms import Pseudonyms, leaks, owners, table

KEY = b"k" * 32
addresses = st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n)))


def pseudonyms(**names: str) -> Pseudonyms:
    return Pseudonyms(KEY, names)


def common(one: str, other: str) -> int:
    bits = int(IPv4Address(one)) ^ int(IPv4Address(other))
    return 32 - bits.bit_length()


@given(addresses, addresses)
def test_addresses_have_as_much_in_common_as_before(one: str, other: str) -> None:
    of = Ipv4Pseudonyms(KEY).of
    if any(IPv4Address(a).packed[-2:] in (b"\0\0", b"\xff\xff") for a in (one, other)):
        return
    inside = [net for net in CLASSES if IPv4Address(one) in net and IPv4Address(other) in net]
    if inside:
        assert common(of(one), of(other)) == common(one, other)
    assert (of(one) == of(other)) == (one == other) or not inside


CLASSES = tuple(
    map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"))
)


@given(addresses)
def test_an_address_keeps_its_class(text: str) -> None:
    made = IPv4Address(Ipv4Pseudonyms(KEY).of(text))
    for net in CLASSES:
        assert (IPv4Address(text) in net) == (made in net)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "0.0.0.1", "255.255.255.0", "255.255.255.252", "224.0.0.251"]
)
def test_what_means_the_same_everywhere_stays(text: str) -> None:
    assert Ipv4Pseudonyms(KEY).of(text) == text


@given(st.integers(8, 30), st.integers(0, 2**32 - 1))
def test_networks_and_their_broadcasts_keep_their_form(prefix: int, number: int) -> None:
    net = IPv4Network((number, prefix), strict=False)
    if prefix not in (8, 16) and prefix < 24:
        return
    of = Ipv4Pseudonyms(KEY).of
    made = IPv4Network(f"{of(str(net.network_address))}/{prefix}", strict=False)
    assert str(made.network_address) == of(str(net.network_address))


def test_another_key_gives_others() -> None:
    assert Ipv4Pseudonyms(b"a" * 32).of("192.168.86.11") != Ipv4Pseudonyms(b"b" * 32).of(
        "192.168.86.11"
    )
    assert Ipv4Pseudonyms(KEY).of("8.8.4.4").split(".")[0] == "203"


def test_the_digits_of_a_number_are_no_guid() -> None:
    names = pseudonyms()
    assert names.text('"seconds": 4.121199981454993e-05,') == '"seconds": 4.121199981454993e-05,'


def test_a_guid_is_the_same_in_every_spelling_and_backwards() -> None:
    names = pseudonyms()
    plain = names.text("rdma_en2  d02b3d59f72bac05")
    spaced = names.text("node_guid: d02b:3d59:f72b:ac05")
    switch = names.text('"switch_uid_key" : "0x05AC2BF7593D2BD0"')
    digits = plain.split()[1]
    assert digits != "d02b3d59f72bac05"
    assert spaced == f"node_guid: {':'.join(digits[i : i + 4] for i in range(0, 16, 4))}"
    backwards = bytes.fromhex(digits)[::-1].hex().upper()
    assert switch == f'"switch_uid_key" : "0x{backwards}"'


def test_a_uuid_is_the_same_in_either_case() -> None:
    names = pseudonyms()
    upper = names.text("DA6775E2-C70A-41FA-BB8C-5AB38408B6D4")
    assert upper == names.text("da6775e2-c70a-41fa-bb8c-5ab38408b6d4")
    assert upper != names.text("DA6775E2-C70A-41FA-BB8C-5AB38408B6D5")
    assert names.text("00000000-0000-0000-0000-000000000000").strip("0-") == ""


@pytest.mark.parametrize("text", ["fe80::1%lo0", "::1", "::", "ff02::fb", "21:14:05", "fe80::"])
def test_what_is_nobodys_stays(text: str) -> None:
    assert pseudonyms().text(text) == text


def test_ipv6_keeps_its_kind_and_scope() -> None:
    names = pseudonyms()
    link = names.text("inet6 fe80::1808:8e2f:cc60:b936%en0 prefixlen 64")
    assert IPv6Address(link.split()[1].partition("%")[0]).is_link_local
    assert link.endswith("%en0 prefixlen 64")
    assert "b936" not in link
    assert "2a02" not in names.text("2a02:8109:aa3f::1234")


def test_a_mapped_gid_goes_with_its_address() -> None:
    names = pseudonyms()
    plain, gid = names.text("inet 10.219.1.1 netmask"), names.text("GID[  1]:\t::ffff:10.219.1.1")
    assert gid == f"GID[  1]:\t::ffff:{plain.split()[1]}"
    whole = names.text("0000:0000:0000:0000:0000:ffff:0adb:0101")
    mapped = IPv6Address(whole).ipv4_mapped
    assert str(mapped) == plain.split()[1]


def test_a_short_network_goes_with_its_addresses() -> None:
    names = pseudonyms()
    net = names.text("192.168.86         link#6    UCS   en0", routes=True).split()[0]
    assert names.text("192.168.86.11").rpartition(".")[0] == net
    assert names.text("macOS 26.6.2, Python 3.12.8") == "macOS 26.6.2, Python 3.12.8"


def test_names_are_words_and_no_parts_of_words() -> None:
    names = pseudonyms(macstudio1="host1", al="admin1")
    assert names.text("al@macstudio1.local: macstudio10 also formal") == (
        "admin1@host1.local: macstudio10 also formal"
    )
    assert names.text("MACSTUDIO1") == "host1"
    assert names.text("/Users/al/x /Users/bea/y /Users/Shared/z") == (
        "/Users/admin1/x /Users/user1/y /Users/Shared/z"
    )


def test_names_beyond_ascii_are_found_in_bytes_and_in_json() -> None:
    names = Pseudonyms(KEY, {"zoë": "admin1"})
    assert names.raw("zoë\n".encode()) == b"admin1\n"
    assert names.raw(rb'{"user": "zo\u00eb"}') == b'{"user": "admin1"}'


@pytest.mark.parametrize(
    "line",
    [
        '"serial_number" : "C02XK0AAJGH6"',
        "Serial Number (system): C02XK0AAJGH6",
        '"IOPlatformSerialNumber" = "C02XK0AAJGH6"',
    ],
)
def test_serial_numbers_go(line: str) -> None:
    assert "C02XK0AAJGH6" not in pseudonyms().text(line)


def test_the_number_of_a_device_goes() -> None:
    text = '"provisioning_UDID" : "00006042-000A1B2C3D4E5F60"'
    assert "1B2C3D" not in pseudonyms().text(text)


@given(st.binary(max_size=300))
def test_no_bytes_whatever_break_it(raw: bytes) -> None:
    pseudonyms(macstudio1="host1").raw(raw, routes=True)


def test_the_table_says_what_was_replaced_and_leaks_are_noticed() -> None:
    names = pseudonyms(macstudio1="host1")
    names.text("macstudio1 at 192.168.86.11")
    assert "name\tmacstudio1\thost1\n" in table(names.used)
    assert leaks([b"host1 at " + names.text("192.168.86.11").encode()], names.used) == []
    assert leaks([b"see Macstudio1"], names.used) == ["name macstudio1"]


def test_an_address_goes_whatever_letter_is_before_it() -> None:
    names = pseudonyms()
    said = names.text("n192.168.64.10:32323->192.168.64.12:50001 (ESTABLISHED)")
    assert "192.168.64.10" not in said
    assert "192.168.64.12" not in said
    assert said.startswith(f"n{names.text('192.168.64.10')}:32323->")


def test_an_address_that_is_left_is_noticed_whatever_is_around_it() -> None:
    names = pseudonyms()
    names.text("192.168.64.10")
    names.text("192.168.64  link#6", routes=True)
    for left in (b"n192.168.64.10:32323", b"192.168.64.10.32323", b"x192.168.64.10y"):
        assert leaks([left], names.used) == ["ipv4 192.168.64.10"]
    assert leaks([b"192.168.64.100 1192.168.64.10 192.168.64.7"], names.used) == []


ESCAPED_HOME = rb'{"procPath":"\/Users\/bob\/venv\/bin\/python3.12"}'


def test_a_home_with_slashes_as_macos_escapes_them() -> None:
    assert owners([ESCAPED_HOME]) == ["bob"]
    said = pseudonyms().raw(ESCAPED_HOME)
    assert said == ESCAPED_HOME.replace(b"bob", b"user1")


@pytest.mark.parametrize("home", ["/Users/zoë/x".encode(), rb"/Users/zo\u00eb/x"])
def test_an_owner_beyond_ascii_is_found_everywhere(home: bytes) -> None:
    assert owners([home]) == ["zoë"]
    names = pseudonyms(zoë="user1")
    assert names.raw(home) == b"/Users/user1/x"
    for spelled in ("zoë", "zoe\u0308"):
        assert names.text(f"for {spelled}.") == "for user1."
    assert "name\tzoë\tuser1\n" in table(names.used)


def test_mail_and_hosts_in_urls_go() -> None:
    names = pseudonyms(al="admin1", studio7="host1", **{"studio7.lan.net": "host1.address"})
    said = names.text("Bea.Maier@firma.example.org or al@studio7.lan.net, http://git.firma.net/x")
    assert said == "mail1@mail.example or admin1@host1.address, http://site1.example/x"
    kept = "https://github.com/ml-explore/mlx /opt/homebrew/opt/python@3.12/bin @rpath/libmlx.dylib"
    assert names.text(kept) == kept


def test_a_mac_and_a_uuid_are_the_same_in_every_spelling() -> None:
    names = pseudonyms()
    said = names.text("5e:e9:1e:f:c3:64 5E-E9-1E-0F-C3-64 5ee9.1e0f.c364 5ee91e0fc364")
    colons, dashes, points, bare = said.split()
    assert {bytes.fromhex(each.replace("-", "").replace(".", "")) for each in (dashes, points)} == {
        bytes.fromhex(bare)
    }
    assert colons.replace(":", "") == bare != "5ee91e0fc364"
    uuid = names.text("DA6775E2-C70A-41FA-BB8C-5AB38408B6D4")
    assert names.text("da6775e2c70a41fabb8c5ab38408b6d4") == uuid.replace("-", "")


@pytest.mark.parametrize("text", ["123456789012", "0x16f2b3000123", "26.3.1", "2026.11.28", "beef"])
def test_a_number_is_no_mac(text: str) -> None:
    assert pseudonyms().text(text) == text


def test_the_name_of_a_wifi_goes() -> None:
    names = pseudonyms()
    said = names.text('SSID: Wolke Sieben\n"SSID_STR" : "Wolke Sieben"\nSSID: Other\n')
    assert said == 'SSID: wifi1\n"SSID_STR" : "wifi1"\nSSID: wifi2\n'


def test_a_model_is_the_same_wherever_it_stands_and_its_path_keeps_its_form() -> None:
    text = (
        b"--model /Volumes/Safe/models/acme-7b --draft-model acme/tiny-1b"
        b" hub/models--acme--tiny-1b/snapshots/x/config.json; acme-7b is slow"
    )
    found = {part: f"model{at}" for at, part in enumerate(models.telling([text]), 1)}
    assert list(found) == ["acme-7b", "tiny-1b"]
    assert Pseudonyms(KEY, found).raw(text) == (
        b"--model /Volumes/part1/models/model1 --draft-model part2/model2"
        b" hub/models--part2--model2/snapshots/part3/config.json; model1 is slow"
    )


@pytest.mark.parametrize(
    "text",
    [
        "hw.model: Mac15,14",
        "Model: Mac15,14",
        "/System/Volumes/Data",
        "/Volumes/Macintosh HD",
        "python -m mlx_lm.server --model default_model",
        "python /Users/Shared/models/serve_mlx.py",
        "no such model",
        "INFO unknown model: error",
        "INFO Loading model weights",
        '"model" : "Mac16,5"',
        "python3.12 /venv/bin/mlx_lm.server --port 80",
        "bssid: none",
    ],
)
def test_what_is_no_model_stays(text: str) -> None:
    assert pseudonyms().text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "--model 'acme/xy-7b' ",
        "Namespace(model='acme/xy-7b', port=1)",
        '{"model_name": "acme/xy-7b"}',
        "--hf-repo acme/xy-7b",
        "repo_id=acme/xy-7b",
        "Loading model from acme/xy-7b",
        "https://huggingface.co/acme/xy-7b/resolve/main/config.json",
        "--model /Volumes/ext/xy-7b",
    ],
)
def test_a_model_is_found_in_quotes_in_variables_and_in_addresses(text: str) -> None:
    found = {part: f"model{at}" for at, part in enumerate(models.telling([text.encode()]), 1)}
    assert list(found) == ["xy-7b"]
    made = Pseudonyms(KEY, found)
    assert "xy-7b" not in made.text(text)
    assert "acme" not in made.text(text)
    assert leaks([made.raw(text.encode())], made.used) == []


def test_a_volume_hides_its_label_and_nobody_elses_words() -> None:
    text = (
        "/Volumes/ext/venv/bin/python3.12 /Volumes/ext/venv/bin/mlx_lm.server; python3.12 -m venv"
    )
    assert models.telling([text.encode()]) == []
    made = pseudonyms()
    said = made.text(text)
    assert said == text.replace("/ext/", "/part1/")
    assert leaks([said.encode()], made.used) == []


def test_a_word_of_everybodys_is_no_leak_where_it_names_nothing() -> None:
    made = pseudonyms()
    said = made.text(
        "--model /opt/homebrew/var/acme-7b --model acme\nSSID: Home\n/usr/bin/acme Home"
    )
    assert leaks([said.encode()], made.used) == []
    assert "--model part2" in said


def test_there_are_addresses_for_every_word_that_looks_like_one() -> None:
    made = pseudonyms()
    words = [f"{n:010x}a1" for n in range(50_000)]
    said = made.text(" ".join(words)).split()
    assert len(set(said)) == len(set(words))


def test_a_network_in_a_line_of_a_log_ends_with_its_word() -> None:
    assert pseudonyms().text("ssid=Home errno 61 [ring] x") == "ssid=wifi1 errno 61 [ring] x"
