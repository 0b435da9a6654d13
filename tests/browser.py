"""A real browser for tests of pages: Debian's chromium without a window, spoken to by its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ — over two pipes, messages of JSON that end with a zero byte. So no
port is open, and nothing is installed for it but the browser.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = "chromium"
START = """
import fcntl, os, sys
for pipe, wanted in [(fcntl.fcntl(int(one), fcntl.F_DUPFD, 10), wanted) for one, wanted in zip(sys.argv[1:3], (3, 4))]:
    os.dup2(pipe, wanted)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""The browser reads from descriptor 3 and writes to 4, whatever the pipes are here."""
QUIET = (
    "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip


class Browser:
    """One browser with one tab; as a context manager it ends with its block."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="browser-")
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        rootless = () if os.geteuid() else ("--no-sandbox",)  # it has no sandbox for root
        command = [PROGRAM, *QUIET, *rootless, f"--user-data-dir={self._folder}", "--remote-debugging-pipe"]
        self._process = subprocess.Popen(
            ["timeout", "300", sys.executable, "-c", START, str(to_read), str(to_write), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(to_read, to_write),
        )
        os.close(to_read)
        os.close(to_write)
        self._unread = b""
        self._number = 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    def open(self, url: str, *, width: int, dark: bool = False, medium: str = "screen") -> None:
        """Open a page, as wide as a phone's or a desk's, and wait until it is loaded."""
        self.events.clear()
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=medium, features=[scheme])
        self.ask("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._take()

    def run(self, script: str) -> Any:
        """Give what an expression of JavaScript comes to, in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def complaints(self) -> list[str]:
        """All that the page wrote to the console, and all that the browser had to say of it."""
        return [
            json.dumps(event["params"])
            for event in self.events
            if event["method"] in {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
        ]

    def requests(self) -> dict[str, str]:
        """All that was asked for since the page was opened, itself first; and why it was blocked, or nothing."""
        asked = {
            event["params"]["requestId"]: event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        }
        failed = {
            event["params"]["requestId"]: event["params"].get("blockedReason", "")
            for event in self.events
            if event["method"] == "Network.loadingFailed"
        }
        return {url: failed.get(number, "") for number, url in asked.items()}

    def spoken(self, role: str) -> list[str]:
        """What a screen reader says of all that has a role."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [
            node.get("name", {}).get("value", "")
            for node in nodes
            if not node["ignored"] and node["role"]["value"] == role
        ]

    def printed(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode(self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])

    def screenshot(self) -> bytes:
        """The whole page as a PNG, for eyes; no test can be about it."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command, and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._take()).get("id") != self._number:
            pass
        assert "error" not in answer, answer["error"]
        return dict(answer["result"])

    def _take(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            read = os.read(self._from, 1 << 20)
            assert read, f"{PROGRAM} has ended"
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._folder, ignore_errors=True)  # its helpers may still be writing
