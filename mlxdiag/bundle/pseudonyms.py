"""Pseudonyms: every name and number that identifies somebody gets another, always the same one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import AddressValueError, IPv6Address
from unicodedata import normalize

from mlxdiag.bundle import models
from mlxdiag.bundle.ipv4 import Ipv4Pseudonyms

_HEX = "0-9A-Fa-f"
_UUID = (
    rf"(?<![{_HEX}-])[{_HEX}]{{8}}-(?:[{_HEX}]{{4}}-){{3}}[{_HEX}]{{12}}(?![{_HEX}-])"
    rf"|(?<!\w)[{_HEX}]{{32}}(?!\w)"
)
_GUID = (
    rf"(?<![{_HEX}:])(?:[{_HEX}]{{4}}:){{3}}[{_HEX}]{{4}}(?![{_HEX}:])"
    rf"|(?<!\w)(?<!\d\.)(?:0x)?[{_HEX}]{{16}}(?!\w)"
)
_MAC = (
    rf"(?<![{_HEX}:])(?:[{_HEX}]{{1,2}}:){{5}}[{_HEX}]{{1,2}}(?![{_HEX}:])"
    rf"|(?<![\w-])(?:[{_HEX}]{{2}}-){{5}}[{_HEX}]{{2}}(?![\w-])"
    rf"|(?<![\w.])(?=[0-9.]*[A-Fa-f])(?:[{_HEX}]{{4}}\.){{2}}[{_HEX}]{{4}}(?![\w.])"
    rf"|(?<![\w.])(?=\d*[A-Fa-f])(?=[A-Fa-f]*\d)[{_HEX}]{{12}}(?!\w)"
)
"""With colons, dashes, points, or bare: then it has letters and digits, and is no plain number."""

_WIFI = (
    r"(?i:(?:(?<=ssid: )(?<!bssid: )|(?<=\"ssid\" : \")|(?<=\"ssid\": \")|(?<=ssid_str\" : \")"
    r"|(?<=ssid_str : )|(?<=wi-fi network: ))[^\r\n\"]+|(?<=ssid=)(?<!bssid=)[^\s,\"]+)"
)
_IPV6 = rf"(?<![\w:.])(?:[{_HEX}]{{0,4}}:){{2,7}}(?:[0-9.]{{7,15}}|[{_HEX}]{{0,4}})(?![\w:.])"
_IPV4 = r"(?<![0-9.])(?:\d{1,3}\.){3}\d{1,3}(?!\d)"
_HOME = (
    r"(?:(?<=/Users/)|(?<=/home/)|(?<=/Users\\/)|(?<=/home\\/))"
    rf"(?:[^/\s\"':\\]|\\u[{_HEX}]{{4}})+"
)
"""A letter may stand before an address (lsof -F), a backslash before a slash (JSON of macOS)."""

_UDID = rf"(?<![{_HEX}-])[{_HEX}]{{8}}-[{_HEX}]{{16}}(?![{_HEX}-])"
_SERIAL = (
    r"(?i:(?<=serial_number\" : \")|(?<=serial_number_key\" : \")|(?<=serial number \(system\): )"
    r"|(?<=serialnumber\" = \")|(?<=serial number: ))[A-Za-z0-9]{6,}"
)
_EMAIL = r"(?<![\w.%+-])[\w.%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![\w-])"
_DOMAIN = r"(?:(?<=://)|(?<=://\*\*\*@))(?:[A-Za-z0-9_-]+\.)+[A-Za-z]{2,}(?![\w-])"
_EVERYBODYS = re.compile(
    r"(?:.*\.)?(?:apple\.com|github\.com|github\.io|githubusercontent\.com|huggingface\.co"
    r"|python\.org|pythonhosted\.org|pypi\.org|mlx\.ai)",
    re.IGNORECASE,
)
"""Hosts in URLs that say nothing of who sent them."""

_HOMES = re.compile(_HOME, re.ASCII)
_ESCAPED = re.compile(r"\\u(?!d[89a-f])([0-9a-f]{4})", re.IGNORECASE)
_KINDS = re.compile(
    "|".join(
        f"(?P<{kind}>{pattern})"
        for kind, pattern in (
            ("email", _EMAIL),
            ("domain", _DOMAIN),
            ("wifi", _WIFI),
            ("uuid", _UUID),
            ("udid", _UDID),
            ("guid", _GUID),
            ("mac", _MAC),
            ("ipv6", _IPV6),
            ("ipv4", _IPV4),
            ("serial", _SERIAL),
            ("home", _HOME),
        )
    ),
    re.ASCII,
)
_NETWORK = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){1,2}(?=/|\s)", re.ASCII)
"""A network as netstat shortens it."""

_SHARED = frozenset({"Shared", "root", "Guest"})
"""Folders of users that are nobody's name."""


@dataclass
class Pseudonyms:
    """All pseudonyms of one bundle. `names` are host names, users and what else the caller knows.

    `used` collects what was replaced: (kind, original) -> pseudonym.
    """

    key: bytes
    names: dict[str, str]
    used: dict[tuple[str, str], str] = field(default_factory=dict)

    def text(self, said: str, *, routes: bool = False) -> str:
        """Replace everything in a text; `routes` also finds networks that netstat shortened."""
        raw = self.raw(said.encode("utf-8", "surrogatepass"), routes=routes)
        return raw.decode("utf-8", "surrogatepass")

    def raw(self, said: bytes, *, routes: bool = False) -> bytes:
        """Replace everything in bytes, whatever else is in them."""
        return self._replaced(said.decode("latin-1"), routes=routes).encode("latin-1")

    def _replaced(self, said: str, *, routes: bool) -> str:
        said = models.replaced(said, self._model)
        said = _KINDS.sub(self._found, said)
        if routes:
            said = _NETWORK.sub(lambda m: self.keep("ipv4", m[0], self._ipv4(m[0])), said)
        return self._names.sub(self._named, said) if self.names else said

    @cached_property
    def _addresses(self) -> Ipv4Pseudonyms:
        return Ipv4Pseudonyms(self.key)

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """Give the names as they may stand in bytes read as Latin-1, and escaped in JSON."""
        found: dict[str, str] = {}
        for name, pseudonym in self.names.items():
            for form in (name, normalize("NFC", name), normalize("NFD", name)):
                for spelled in (form, json.dumps(form)[1:-1]):
                    found[spelled.encode().decode("latin-1").lower()] = pseudonym
        return found

    @cached_property
    def _names(self) -> re.Pattern[str]:
        longest = sorted(self._spelled, key=len, reverse=True)
        words = "|".join(map(re.escape, longest))
        return re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", re.IGNORECASE)

    def _named(self, found: re.Match[str]) -> str:
        return self.keep("name", found[0], self._spelled[found[0].lower()])

    def _found(self, found: re.Match[str]) -> str:
        kind, text = str(found.lastgroup), found[0]
        made = getattr(self, f"_{kind}")(text)
        return text if made == text else self.keep(kind, text, made)

    def keep(self, kind: str, text: str, pseudonym: str) -> str:
        """Note what was replaced, for the table; give the pseudonym."""
        if pseudonym != text:
            self.used[kind, text] = pseudonym
        return pseudonym

    def _number(self, kind: str, canonical: str) -> int:
        """Number what is of one kind as it comes."""
        numbers: dict[str, int] = self._numbers.setdefault(kind, {})
        return numbers.setdefault(canonical, len(numbers) + 1)

    @cached_property
    def _numbers(self) -> dict[str, dict[str, int]]:
        return {}

    def _uuid(self, text: str) -> str:
        if not text.strip("0-"):
            return text
        digits = text.lower().replace("-", "")
        made = f"00000000-0000-4000-8000-{self._number('uuid', digits):012d}"
        return made if "-" in text else made.replace("-", "")

    def _model(self, part: str) -> str:
        known = self._spelled.get(part.lower())
        return self.keep("model", part, known or f"part{self._number('model', part)}")

    def _wifi(self, text: str) -> str:
        return f"wifi{self._number('wifi', text)}"

    def _udid(self, text: str) -> str:
        return f"00000000-9{self._number('udid', text.lower()):015d}"

    def _guid(self, text: str) -> str:
        """Keep what system_profiler and the verbs have in common: one is the other backwards."""
        digits = text.lower().removeprefix("0x").replace(":", "")
        if not digits.strip("0"):
            return text
        backwards = bytes.fromhex(digits)[::-1].hex()
        canonical = digits if digits.startswith("05ac") else min(digits, backwards)
        if backwards.startswith("05ac"):
            canonical = backwards
        made = f"{canonical[:4]}{self._number('guid', canonical):012x}"
        if canonical != digits:
            made = bytes.fromhex(made)[::-1].hex()
        if ":" in text:
            made = ":".join(made[at : at + 4] for at in range(0, 16, 4))
        made = made.upper() if text.upper() == text.replace("0x", "0X") else made
        return f"0x{made}" if text.startswith("0x") else made

    def _mac(self, text: str) -> str:
        if ":" in text:
            raw = bytes(int(octet, 16) for octet in text.split(":"))
        else:
            raw = bytes.fromhex(text.replace("-", "").replace(".", ""))
        if not any(raw) or set(raw) == {255}:
            return text
        number = self._number("mac", raw.hex())
        octets = (16 + number // 200**place % 200 for place in (4, 3, 2, 1, 0))
        made = bytes((0x12, *octets))
        if "." in text:
            return made.hex(".", 2)
        between = next((mark for mark in ":-" if mark in text), "")
        return made.hex(between) if between else made.hex()

    def _ipv6(self, text: str) -> str:
        try:
            address = IPv6Address(text)
        except (AddressValueError, ValueError):
            return text
        if address.ipv4_mapped:
            return self._mapped(text, str(address.ipv4_mapped))
        plain = (
            address.is_multicast or address.is_loopback or int(address) in (0, 0xFE80 << 112 | 1)
        )
        if plain or not int(address) & ((1 << 64) - 1):
            return text
        prefix = 0xFE80 << 112 if address.is_link_local else 0x20010DB8 << 96
        made = IPv6Address(prefix | 0x10_0000 | self._number("ipv6", address.exploded))
        return made.exploded if len(text) == 39 else str(made)

    def _mapped(self, text: str, inside: str) -> str:
        made = self.keep("ipv4", inside, self._ipv4(inside))
        if inside in text:
            return text.replace(inside, made)
        whole = IPv6Address(f"::ffff:{made}")
        if len(text) == 39:
            return whole.exploded
        high, low = int(whole) >> 16 & 0xFFFF, int(whole) & 0xFFFF
        return f"::ffff:{high:x}:{low:x}"

    def _ipv4(self, text: str) -> str:
        octets = text.split(".")
        if any(int(octet) > 255 or octet != str(int(octet)) for octet in octets):
            return text
        return self._addresses.of(text)

    def _email(self, text: str) -> str:
        """Leave what is a user at a host: both have names of their own."""
        user, _, place = text.lower().partition("@")
        host = place.removesuffix(".local")
        if user in self._spelled and (place in self._spelled or host in self._spelled):
            return text
        return f"mail{self._number('email', text.lower())}@mail.example"

    def _domain(self, text: str) -> str:
        known = text.lower().removesuffix(".local")
        if text.lower() in self._spelled or known in self._spelled or _EVERYBODYS.fullmatch(text):
            return text
        return f"site{self._number('domain', text.lower())}.example"

    def _serial(self, text: str) -> str:
        return f"SERIAL{self._number('serial', text.upper()):06d}"

    def _home(self, text: str) -> str:
        if text in _SHARED:
            return text
        known = self._spelled.get(text.lower())
        return known or f"user{self._number('home', text)}"


def owners(texts: Iterable[bytes]) -> list[str]:
    """List whose home folders are named: they stand elsewhere, too, without a folder."""
    found = (_read(name) for raw in texts for name in _HOMES.findall(raw.decode("latin-1")))
    return [name for name in dict.fromkeys(found) if name not in _SHARED]


def _read(latin: str) -> str:
    """Give the name that bytes spell, in UTF-8 or escaped in JSON; Latin-1 where it is neither."""
    try:
        text = latin.encode("latin-1").decode()
    except UnicodeDecodeError:
        text = latin
    return _ESCAPED.sub(lambda m: chr(int(m[1], 16)), text)


def table(used: dict[tuple[str, str], str]) -> str:
    """Write what was replaced, for the user alone: kind, original, pseudonym."""
    rows = sorted((kind, _read(original), made) for (kind, original), made in used.items())
    return "".join("\t".join(row) + "\n" for row in (("kind", "original", "pseudonym"), *rows))


def leaks(files: Iterable[bytes], used: dict[tuple[str, str], str]) -> list[str]:
    """List originals that are still there: a bundle that has one is not written."""
    texts = [raw.decode("latin-1").lower() for raw in files]
    made_up = {made.lower() for made in used.values()}
    found = []
    for kind, original in used:
        if len(original) < 4 or original.lower() in made_up:
            continue
        if kind in ("model", "wifi") and " " not in original and not models.alone(_read(original)):
            continue  # a word of everybody's, which is replaced where it stands as a name
        word = _left(kind, re.escape(original.lower()))
        if any(word.search(text) for text in texts):
            found.append(f"{kind} {_read(original)}")
    return found


def _left(kind: str, word: str) -> re.Pattern[str]:
    """Give what finds an original: an address ends where its digits do, any other word as words."""
    if kind != "ipv4":
        return re.compile(rf"(?<![A-Za-z0-9]){word}(?![A-Za-z0-9])")
    after = r"(?!\d)" if word.count(".") == 3 else r"(?!\d|\.\d)"
    return re.compile(rf"(?<![\d.]){word}{after}")
