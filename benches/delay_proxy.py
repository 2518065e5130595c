"""delay_proxy.py LISTEN_PORT SERVER_PORT SECONDS: a TCP proxy that holds every answer back.

Whatever the server says after the client has spoken starts that much later: so much farther away is
the server. It fits protocols in which the sides take turns, such as HTTP without pipelining. The
bytes of answers stay in the kernel (splice), so that the proxy takes little of the processor from
what is measured.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable

BLOCK = 1 << 20


class Connection:
    def __init__(self, client: socket.socket, server: socket.socket, delay: float) -> None:
        self.client, self.server, self.delay = client, server, delay
        self.asked = threading.Event()

    def ask(self) -> None:
        while data := self.client.recv(BLOCK):
            self.asked.set()
            self.server.sendall(data)
        self.server.shutdown(socket.SHUT_WR)

    def answer(self) -> None:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, BLOCK)
        readable = select.poll()
        readable.register(self.server, select.POLLIN)
        try:
            while True:
                readable.poll()
                if self.asked.is_set():
                    self.asked.clear()
                    time.sleep(self.delay)
                if not (count := os.splice(self.server.fileno(), writer, BLOCK)):
                    break
                while count:
                    count -= os.splice(reader, self.client.fileno(), count)
            self.client.shutdown(socket.SHUT_WR)
        finally:
            os.close(reader)
            os.close(writer)


def quietly(work: Callable[[], None]) -> None:
    # Where one side has gone, the other learns it when it speaks next.
    with contextlib.suppress(OSError):
        work()


def serve(listen_port: int, server_port: int, delay: float) -> None:
    with socket.create_server(("127.0.0.1", listen_port), backlog=128) as listener:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(client, server, delay)
            for work in (connection.ask, connection.answer):
                threading.Thread(target=quietly, args=(work,), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
