"""Chromium without a window, over a pipe: what a page shows, asks for and complains of."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NO_BROWSER = "" if CHROMIUM else "no chromium on PATH: apt-get install chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-pipe", "--hide-scrollbars", "about:blank",
)  # fmt: skip
PATIENCE_S = 60.0


class Page:
    """A tab. `requests` are the URLs that it asked for, `said` what came to its console."""

    def __init__(self, process: subprocess.Popen[bytes], write: int, read: int) -> None:
        self._process, self._write, self._read = process, write, read
        self._number, self._rest, self._session = 0, b"", ""
        self.requests: list[str] = []
        self.said: list[str] = []

    def __enter__(self) -> Page:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._send("Browser.close", {}, session=False)

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command, wait for its answer, and note what else is heard on the way."""
        number = self._send(method, params)
        while True:
            heard = self._hear()
            if heard.get("id") == number:
                assert "error" not in heard, (method, heard["error"])
                found: dict[str, Any] = heard["result"]
                return found

    def open(self, url: str) -> None:
        self.requests.clear()
        self.said.clear()
        number = self._send("Page.navigate", {"url": url})
        answered = loaded = False
        while not (answered and loaded):
            heard = self._hear()
            answered = answered or heard.get("id") == number
            loaded = loaded or heard.get("method") == "Page.loadEventFired"

    def eval(self, expression: str) -> Any:  # noqa: ANN401
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def show(self, *, width: int = 1100, scheme: str = "light", media: str = "screen") -> None:
        phone = width < 600
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def picture(self, path: Path) -> None:
        """Take a picture of the whole page, for a person to look at."""
        told = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))

    def paper(self) -> bytes:
        self.ask("Emulation.setEmulatedMedia", media="print", features=[])
        return base64.b64decode(self.ask("Page.printToPDF", printBackground=True)["data"])

    def _send(self, method: str, params: dict[str, Any], *, session: bool = True) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session and self._session:
            message["sessionId"] = self._session
        left = memoryview(json.dumps(message).encode() + b"\0")
        while left:
            left = left[os.write(self._write, left) :]
        return self._number

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select([self._read], [], [], PATIENCE_S)
            assert ready, "the browser does not answer"
            got = os.read(self._read, 1 << 20)
            assert got, "the browser has gone"
            self._rest += got
        text, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(text)
        self._note(heard.get("method", ""), heard.get("params", {}))
        return heard

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.said.append(str([arg.get("value") for arg in params["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"].get("text")))
        elif method == "Log.entryAdded":
            self.said.append(params["entry"]["text"])


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Start a browser with an empty profile, and end it."""
    assert CHROMIUM is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # It reads commands from 3 and answers on 4: a shell puts ours there, whatever their numbers.
    shell = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
    argv = ["/bin/bash", "-c", shell, CHROMIUM, f"--user-data-dir={profile}", *FLAGS]
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(theirs_in, theirs_out),
    ) as process:
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            with Page(process, ours_out, ours_in) as page:
                yield page
            process.wait(20)
        finally:
            process.kill()
            os.close(ours_out)
            os.close(ours_in)
