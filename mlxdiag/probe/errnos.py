"""Errnos: numbers of errors in what a rank said, by the names they have on its system. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_COMMON = {
    1: "EPERM", 2: "ENOENT", 4: "EINTR", 5: "EIO", 9: "EBADF", 12: "ENOMEM", 13: "EACCES",
    14: "EFAULT", 16: "EBUSY", 17: "EEXIST", 19: "ENODEV", 22: "EINVAL", 23: "ENFILE",
    24: "EMFILE", 28: "ENOSPC", 32: "EPIPE",
}  # fmt: skip

NAMES: Mapping[str, Mapping[int, str]] = {
    "macOS": {
        **_COMMON,
        35: "EAGAIN", 45: "ENOTSUP", 47: "EAFNOSUPPORT", 48: "EADDRINUSE", 49: "EADDRNOTAVAIL",
        50: "ENETDOWN", 51: "ENETUNREACH", 53: "ECONNABORTED", 54: "ECONNRESET", 55: "ENOBUFS",
        57: "ENOTCONN", 60: "ETIMEDOUT", 61: "ECONNREFUSED", 64: "EHOSTDOWN", 65: "EHOSTUNREACH",
        96: "ENODATA", 102: "EOPNOTSUPP",
    },
    "Linux": {
        **_COMMON,
        11: "EAGAIN", 61: "ENODATA", 95: "EOPNOTSUPP", 97: "EAFNOSUPPORT", 98: "EADDRINUSE",
        99: "EADDRNOTAVAIL", 100: "ENETDOWN", 101: "ENETUNREACH", 103: "ECONNABORTED",
        104: "ECONNRESET", 105: "ENOBUFS", 107: "ENOTCONN", 110: "ETIMEDOUT", 111: "ECONNREFUSED",
        112: "EHOSTDOWN", 113: "EHOSTUNREACH",
    },
}  # fmt: skip
"""By system, from errno.h of each; those that MLX's sockets and verbs can give."""

_NUMBER = re.compile(r"(?:errno[ =]|\(error: |error code -)(?P<a>\d+)|(?<=\w) \((?P<b>\d+)(?=\))")
"""As MLX prints it: `errno 22`, `errno=57`, `(error: 61)`, `error code -12`, `busy (16)`."""


def named(text: str, platform: str) -> str:
    """Put the name behind every number of an error: `errno 22` becomes `errno 22 EINVAL`.

    `platform` is what the rank's own Python said; of a system that is not known nothing is named.
    """
    system = "Linux" if platform.startswith("Linux") else "macOS"
    known = NAMES[system] if platform.startswith(("Linux", "macOS", "Darwin")) else {}

    def name(match: re.Match[str]) -> str:
        found = known.get(int(match["a"] or match["b"]))
        return f"{match[0]} {found}" if found else match[0]

    return _NUMBER.sub(name, text)
