"""The environment that a launched process is given: only the variables that matter here.

Asked with awk, so that no other value ever leaves the host: an environment may hold keys. A
variable that is called like one comes as `***`, however it begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlxdiag.capture import Command
from mlxdiag.errors import ParseError
from mlxdiag.keys import MASK, SECRET_NAME

NAMES = ("SHELL", "SYSTEM_VERSION_COMPAT", "XPC_SERVICE_NAME")

MARK = "mlxdiag-environment"
_PROGRAM = (
    f'BEGIN {{ print "{MARK}"; for (n in ENVIRON) if (n ~ /^(MLX_|JACCL_)/ '
    f'|| n ~ /^({"|".join(NAMES)})$/) {{ v = ENVIRON[n]; gsub(/[^ -~]/, "?", v); '
    f'if (toupper(n) ~ /{SECRET_NAME.pattern}/) v = "{MASK}"; print n "=" v }} }}'
)
COMMAND = Command("login_environment", ("awk", _PROGRAM))

_LINE = re.compile(r"([A-Za-z_]\w*)=([ -~]*)", re.ASCII)


@dataclass(frozen=True)
class Environment:
    """Variables by name, in the order of their names; characters outside ASCII are `?`.

    The value of one that is called like a key is `***`, in older recordings as well.
    """

    variables: tuple[tuple[str, str], ...]

    @property
    def by_name(self) -> Mapping[str, str]:
        """Give the values by name."""
        return dict(self.variables)

    @property
    def mlx(self) -> Mapping[str, str]:
        """Give those that MLX reads."""
        return {name: value for name, value in self.variables if name not in NAMES}


def parse(out: bytes) -> Environment:
    """Read the first line, which is ours, and `NAME=value` below it."""
    first, *lines = out.decode("utf-8", "replace").split("\n")
    if first != MARK:
        raise ParseError(f"not what mlxdiag's program prints first: {first[:80]!r}")
    return Environment(tuple(sorted(_variable(line) for line in lines if line)))


def _variable(line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line)
    if match is None or not (match[1] in NAMES or match[1].startswith(("MLX_", "JACCL_"))):
        raise ParseError(f"not a variable that was asked for: {line[:80]!r}")
    return match[1], MASK if SECRET_NAME.search(match[1].upper()) else match[2]
