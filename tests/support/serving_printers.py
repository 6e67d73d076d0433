"""``mfp-sim serve`` as a process, and its Remote UI as a browser without scripts uses it: pages, forms, the token in them."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import threading
from urllib.parse import urlencode, urlsplit

COMM = "settings/device-management/scep/communication"
REQUEST = "settings/device-management/scep/request"
STATUS = "settings/device-management/request-status"
KEY = {"name": "tls", "signature": "SHA256", "length": "1024", "common_name": "192.0.2.10", "use": "TLS"}


class Serving:
    """A running ``mfp-sim serve``: what it printed, and its pages."""

    def __init__(self, *words: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mfp_sim", "serve", "--port", "0", "--ca-port", "0", *map(str, words)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        watchdog = threading.Timer(60, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("press Ctrl-C to stop"):
                break
        watchdog.cancel()
        self.cookies: dict[str, str] = {}
        self.token = ""

    def address(self, start: str) -> str:
        (line,) = [line for line in self.lines if line.startswith(start)]
        return re.search(r"http://[^ ,]+", line)[0]

    def ask(self, url: str, data: dict[str, object] | None = None) -> tuple[int, str]:
        """One request, with cookies and the form token of the last page; redirects are followed."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if data is not None:
            body = urlencode({"form_token": self.token, **data})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("GET" if data is None else "POST", parts.path or "/", body, headers)
        reply = connection.getresponse()
        text = reply.read().decode()
        for cookie in reply.headers.get_all("Set-Cookie") or ():
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        connection.close()
        if found := re.search(r'name="form_token" value="([0-9a-f]+)"', text):
            self.token = found[1]
        if reply.status == 303:
            return self.ask(f"http://{parts.netloc}{reply.headers['Location']}")
        return reply.status, text

    def request(self, ui: str, key: dict[str, object]) -> str:
        """[Send Request], and the status page when the request has ended, which on the real clock takes a moment."""
        status, text = self.ask(ui + REQUEST, key)
        assert status == 200
        assert "The request has ended: Successful." in text or "The request is being processed." in text
        text = "Processing..."
        while "Processing..." in text:
            text = self.ask(ui + STATUS)[1]
        return text

    def log_in(self, ui: str, pin: str = "7654321") -> None:
        self.ask(f"{ui}login")
        status, text = self.ask(f"{ui}login", {"role": "administrator", "pin": pin})
        assert status == 200, text

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, "\n".join(self.lines) + "\n" + out, err
