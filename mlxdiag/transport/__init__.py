"""Transports: the only modules that touch a host. Trouble with a host ends here, as an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlxdiag.capture import Capture, Command
    from mlxdiag.inventory import Host


class Transport(Protocol):
    """A way to run the commands of a collection on one host."""

    async def collect(
        self,
        host: Host,
        commands: Sequence[Command],
        captures: dict[str, Capture],
        clock: Callable[[], float],
    ) -> None:
        """Fill `captures` as results arrive, `ACCESS` first; `clock` gives seconds of the run.

        Never raises for a host's fault. When cancelled, what has arrived is in `captures` and
        nothing that was started stays on the host.
        """
