"""An OpenAI-compatible server whose tokens real ranks compute: python -m tests.server.endpoint.

It prints one line of JSON, {"port": N, "ranks": [pid, ...]}, and ends with its stdin. What goes
wrong is named by the first part of the path: `/middle/v1/chat/completions` hangs in the middle.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.server.ranks import Ranks, become_rank_0

WORDS = ("one", " two", " three", " four", " five", " six", " sev", "en", " eight", " nine")
TOKENS = 10
MODEL = "mlx-community/Qwen3-4B-Instruct-2507-4bit"
HUNG_S = 20.0
"""A hang of this server is over after this, so that nothing of it stays for ever."""

Jobs = queue.Queue[tuple[int, "queue.Queue[int]"] | None]
JOBS: Jobs = queue.Queue()
ASKED: Counter[str] = Counter()
BUSY = threading.Semaphore(1)


def tokens(count: int) -> Iterator[int]:
    """Have the ranks compute so many tokens, one after the other."""
    done: queue.Queue[int] = queue.Queue()
    for number in range(count):
        JOBS.put((number, done))
        yield done.get()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; every method of it is named by a fault, `chat_ok` by none."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "endpoint/1", ""

    def log_message(self, *_: object) -> None:
        """Say nothing: stdout belongs to the test."""

    def do_GET(self) -> None:
        self._route("get")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.asked = json.loads(self.rfile.read(length))
        self._route("chat")

    def _route(self, kind: str) -> None:
        _, fault, rest = self.path.split("/", 2)
        self.fault = fault.replace("-", "_")
        ASKED[f"{kind} {fault}"] += kind == "chat"
        self.close_connection = True
        try:
            if kind == "get":
                getattr(self, f"get_{self.fault}", self.get_ok)(f"/{rest}")
            else:
                getattr(self, f"chat_{self.fault}", self.chat_ok)()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client went away: that is what hangs end with

    # Answers.

    def whole(self, status: int, said: object, **headers: str) -> None:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "session=not-for-anybody")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def head(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def raw(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, said: object) -> bytes:
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        return f"data: {text}\n\n".encode()

    def delta(self, text: str, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        return {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}

    def say(self, text: str) -> None:
        self.raw(self.event(self.delta(text)))

    def over(self, usage: int | None = None) -> None:
        self.raw(self.event(self.delta("", "length")))
        if usage is not None:
            self.raw(self.event({"choices": [], "usage": {"completion_tokens": usage}}))
        self.raw(self.event("[DONE]"))
        self.raw(b"")

    def compute(self, count: int = TOKENS, pause_s: float = 0.004) -> Iterator[str]:
        for number in tokens(count):
            time.sleep(pause_s)
            yield WORDS[number % len(WORDS)]

    def hang(self) -> None:
        """Wait until the client has gone, at most for a while."""
        self.connection.settimeout(HUNG_S)
        try:
            self.connection.recv(1)
        except OSError:
            return

    # What costs nothing.

    def get_ok(self, path: str) -> None:
        if path == "/v1/models":
            self.whole(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        elif path == "/health" and self.fault != "bare":
            self.whole(200, {"status": "ok"})
        else:
            self.whole(404, {"error": "Not Found"})

    def get_bare(self, _path: str) -> None:
        self.whole(404, {"error": "Not Found"})

    get_model = get_bare

    def get_mute(self, _path: str) -> None:
        self.hang()

    def get_ill(self, path: str) -> None:
        if path == "/health":
            self.whole(503, {"status": "a rank is gone"})
        else:
            self.get_ok(path)

    def get_odd(self, _path: str) -> None:
        self.whole(200, b"<html>It works!</html>")

    def get_not_http(self, _path: str) -> None:
        self.connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")

    def get_closed(self, _path: str) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def get_key(self, path: str) -> None:
        if self.headers.get("Authorization") == f"Bearer {os.environ.get('ENDPOINT_KEY')}":
            self.get_ok(path)
        else:
            self.whole(401, {"error": {"message": "missing or wrong key"}})

    # Completions.

    def chat_ok(self) -> None:
        self.head()
        for word in self.compute():
            self.say(word)
        self.over()

    def chat_usage(self) -> None:
        self.head()
        for word in self.compute():
            self.say(word)
        wanted = self.asked["stream_options"]["include_usage"]
        self.over(usage=TOKENS if wanted else None)

    def chat_before(self) -> None:
        self.hang()

    def chat_begun(self) -> None:
        self.head()
        self.hang()

    def chat_middle(self) -> None:
        self.head()
        for word in self.compute(4):
            self.say(word)
        self.hang()

    def chat_second(self) -> None:
        if ASKED["chat second"] % 3 == 2:
            self.hang()
        else:
            self.chat_ok()

    def chat_kept(self) -> None:
        """Comments keep the connection alive, and nothing else comes."""
        self.head()
        end = time.monotonic() + HUNG_S
        while time.monotonic() < end:
            self.raw(b": keepalive\n\n")
            time.sleep(0.05)

    def chat_comments(self) -> None:
        self.head()
        for word in self.compute():
            self.raw(b": keepalive\n\n")
            self.say(word)
        self.over()

    def chat_busy(self) -> None:
        self.whole(429, {"error": {"message": "queue is full"}}, Retry_After="7")

    def chat_later(self) -> None:
        self.whole(503, {"error": "loading"}, Retry_After="3")

    def chat_broken(self) -> None:
        self.whole(500, {"error": {"message": "unpickling stack underflow"}})

    def chat_key(self) -> None:
        if self.headers.get("Authorization") == f"Bearer {os.environ.get('ENDPOINT_KEY')}":
            self.chat_ok()
        else:
            self.whole(401, {"error": {"message": "missing or wrong key"}})

    def chat_echo_refused(self) -> None:
        """Say the key back in every way that a careless server has."""
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        said = {
            "error": {
                "message": f"bad key {key}",
                "key": key,
                "header": self.headers["Authorization"],
            }
        }
        self.whole(401, said, WWW_Authenticate=f"Bearer realm={key}", Server=key, Location=key)

    def chat_echo_spread(self) -> None:
        """Say the key back as the answer, a few letters at a time, and as a whole."""
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.head()
        for at in range(0, len(key), 3):
            self.say(key[at : at + 3])
        self.over()

    def chat_echo_torn(self) -> None:
        """Break off in the middle of the key, between two chunks."""
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.head()
        whole = self.event(self.delta(f"key {key}"))
        at = whole.index(key[:8].encode()) + 9
        self.raw(whole[:at])
        self.raw(whole[at : at + 4])
        self.hang()

    def chat_garbage(self) -> None:
        self.head()
        self.raw(b"<html><body>504 Gateway Time-out</body></html>\n")
        self.raw(b"")

    def chat_not_json(self) -> None:
        self.head()
        self.say("one")
        self.raw(b"data: {not json\n\n")
        self.over()

    def chat_error(self) -> None:
        self.head()
        self.say("one")
        self.raw(self.event({"error": {"message": "[jaccl] Recv failed with error code -12"}}))
        self.over()

    def chat_cut(self) -> None:
        self.head()
        for word in self.compute(3):
            self.say(word)
        self.connection.shutdown(socket.SHUT_RDWR)

    def chat_old(self) -> None:
        """Answer as HTTP/1.0 does, where the end of the connection is the end of the answer."""
        self.protocol_version = "HTTP/1.0"
        self.send_response(200)
        self.end_headers()
        for word in self.compute(3):
            self.wfile.write(self.event(self.delta(word)))

    def chat_nothing(self) -> None:
        self.whole(200, b"")

    def chat_slow(self) -> None:
        self.head()
        for word in self.compute(6, pause_s=0.05):
            self.say(word)
        self.over()

    def chat_late(self) -> None:
        time.sleep(0.3)
        self.chat_ok()

    def chat_endless(self) -> None:
        self.head()
        end = time.monotonic() + HUNG_S
        while time.monotonic() < end:
            self.say("and ")
            time.sleep(0.02)

    def chat_flood(self) -> None:
        self.head()
        for _ in range(100):
            self.raw(b": " + b"x" * 65536 + b"\n")

    def chat_empty(self) -> None:
        self.head()
        self.over(usage=0)

    def chat_whole(self) -> None:
        message = {"role": "assistant", "content": "".join(self.compute())}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.whole(200, {"choices": [choice], "usage": {"completion_tokens": TOKENS}})

    def chat_model(self) -> None:
        self.whole(404, {"error": {"message": f"model {self.asked.get('model')} not found"}})

    def chat_redirect(self) -> None:
        self.whole(307, {}, Location="http://127.0.0.1:1/elsewhere?token=abc")

    def _pairs(self) -> None:
        self.head()
        words = list(self.compute(pause_s=0.008))
        for at in range(0, len(words), 2):
            time.sleep(0.02)
            self.say(words[at] + words[at + 1])

    def chat_pairs(self) -> None:
        """Two tokens a piece, and no word of how many there were."""
        self._pairs()
        self.over()

    def chat_pairs_usage(self) -> None:
        self._pairs()
        self.over(usage=TOKENS)

    def chat_torn(self) -> None:
        """Send every event in two chunks, with the boundary inside a character."""
        self.head()
        for word in ("\U0001f680", " caf\u00e9", " \u4e09"):
            data = self.event(self.delta(word))
            at = next(i for i, byte in enumerate(data) if byte >= 0x80) + 1
            self.raw(data[:at])
            time.sleep(0.01)
            self.raw(data[at:])
        self.over()

    def chat_thinking(self) -> None:
        self.head()
        choice = {"index": 0, "delta": {"reasoning_content": "hm"}, "finish_reason": None}
        self.raw(self.event({"choices": [choice]}))
        self.say("one")
        self.over()

    def chat_single(self) -> None:
        """Fall over when two come at once, as ranks do that take one request at a time."""
        if not BUSY.acquire(blocking=False):
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        try:
            self.head()
            for word in self.compute(pause_s=0.02):
                self.say(word)
            self.over()
        finally:
            BUSY.release()


def free_ports(count: int) -> list[int]:
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


def main() -> None:
    """Serve until stdin ends; the main thread is rank 0, as MLX wants one thread."""
    become_rank_0(2, free_ports(2))
    ranks = Ranks()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=_until_stdin_ends, daemon=True).start()
    told = {"port": server.server_address[1], "ranks": [other.pid for other in ranks.others]}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    while (job := JOBS.get()) is not None:
        number, done = job
        done.put(ranks.token(number))
    ranks.end()


def _until_stdin_ends() -> None:
    sys.stdin.read()
    JOBS.put(None)


if __name__ == "__main__":
    main()
