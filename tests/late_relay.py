"""A relay before an MLflow server whose answers come late."""

import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Delay:
    """Seconds that a request waits.

    Attributes:
        before: it is passed on.
        after: the server has answered.
    """

    before: float = 0.0
    after: float = 0.0


class LateRelay(ThreadingHTTPServer, ABC):
    """Passes requests on to a server, inside a `with` block.

    Args:
        tracker: address of the server.
    """

    daemon_threads = True

    def __init__(self, tracker: str) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.tracker = tracker

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    @abstractmethod
    def delay(self, path: str) -> Delay:
        """How late the next request is; called once a request."""


class _Relay(BaseHTTPRequestHandler):
    server: LateRelay

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = urllib.request.Request(
            self.server.tracker + self.path,
            self.rfile.read(length) if length else None,
            {"Content-Type": self.headers.get("Content-Type") or "application/json"},
            method=self.command,
        )
        delay = self.server.delay(self.path)
        time.sleep(delay.before)
        try:
            with urllib.request.urlopen(request) as answer:
                code, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            code, content = error.code, error.read()
        time.sleep(delay.after)
        with suppress(OSError):  # Nobody waits any more.
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_PUT = do_PATCH = do_POST  # noqa: N815 (http.server's names)

    def log_message(self, *_: object) -> None:
        pass
