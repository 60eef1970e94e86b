"""A real Firefox, driven over Marionette, the protocol that it speaks itself: nothing has to be installed beside it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

# Only loopback addresses are ever contacted: what a fresh profile would fetch is switched off.
QUIET = {
    "app.normandy.enabled": False,
    "app.update.auto": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.prefetch-next": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
}

ALERTS = """const open = [...Services.wm.getEnumerator("alert:alert")].filter((one) => !one.closed);"""


def installed() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """One headless browser with a fresh profile in `folder`. `chrome` runs in the browser itself, `page` in the tab."""

    def __init__(self, path: str, folder: Path, prefs: dict[str, Any]) -> None:
        profile = folder / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in (QUIET | prefs).items()]
        (profile / "user.js").write_text("\n".join([*lines, 'user_pref("marionette.port", 0);']))
        self.process = subprocess.Popen(
            [
                path,
                "--headless",
                "--no-remote",
                "--marionette",
                "--remote-allow-system-access",
                "--profile",
                str(profile),
            ],
            env=os.environ | {"HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
            stdout=subprocess.DEVNULL,
            stderr=(folder / "firefox.log").open("w"),
        )
        self._number = 0
        self._socket = self._connected(profile / "MarionetteActivePort")
        self._read()
        self.send("WebDriver:NewSession", strictFileInteractability=False)
        self.send("WebDriver:SetTimeouts", script=20000, pageLoad=20000)

    def _connected(self, port: Path) -> socket.socket:
        end = time.monotonic() + 40
        while time.monotonic() < end:
            assert self.process.poll() is None, "Firefox ended"
            if port.exists() and (number := port.read_text().strip()):
                return socket.create_connection(("127.0.0.1", int(number)), timeout=60)
            time.sleep(0.1)
        raise TimeoutError("Firefox did not open its port")

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            size += self._socket.recv(1)
        body = b""
        while len(body) < int(size[:-1]):
            body += self._socket.recv(int(size[:-1]) - len(body))
        return json.loads(body)

    def send(self, command: str, **said: Any) -> Any:
        self._number += 1
        text = json.dumps([0, self._number, command, said]).encode()
        self._socket.sendall(f"{len(text)}:".encode() + text)
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) and "value" in result else result

    def go(self, address: str) -> None:
        self.send("WebDriver:Navigate", url=address)

    def page(self, script: str, *args: Any) -> Any:
        """What the body of an async function returns, run in the page."""
        return self._run("content", script, args)

    def chrome(self, script: str, *args: Any) -> Any:
        """The same with the browser's own rights."""
        return self._run("chrome", script, args)

    def _run(self, context: str, script: str, args: tuple[Any, ...]) -> Any:
        self.send("Marionette:SetContext", value=context)
        body = f"""const given = Array.from(arguments), done = given.pop();
          (async (...args) => {{ {script} }})(...given).then((found) => done([found]), (why) => done(String(why)));"""
        found = self.send("WebDriver:ExecuteAsyncScript", script=body, args=list(args), sandbox=None, newSandbox=False)
        self.send("Marionette:SetContext", value="content")
        assert isinstance(found, list), found
        return found[0]

    def click(self, script: str) -> None:
        """A person's click on the element that the script finds: trusted, so that it is a gesture."""
        x, y = self.page(
            f"const box = ({script}).getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]"
        )
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        moves = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0, "origin": "viewport"},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.send("WebDriver:PerformActions", actions=[pointer | {"actions": moves}])

    def alerts(self) -> int:
        """How many notifications stand open."""
        return int(self.chrome(ALERTS + "return open.length"))

    def click_alert(self) -> None:
        # Moments after it appeared an alert moves into its place; then it takes a click.
        self.chrome(ALERTS + "open[0].document.getElementById('alertBox').click()")

    def close_alert(self) -> None:
        self.chrome(ALERTS + "open[0].onAlertClose()")

    def stop(self) -> None:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            self.send("Marionette:Quit", flags=["eForceQuit"])
        self._socket.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
