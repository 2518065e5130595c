"""delay_proxy.py LISTEN_PORT SERVER_PORT SECONDS: a TCP proxy that holds every answer back.

Whatever the server says after the client has spoken starts that much later: so much farther away is
the server. It fits protocols in which the sides take turns, such as HTTP without pipelining.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

BLOCK = 1 << 20


async def serve(listen_port: int, server_port: int, delay: float) -> None:
    async def connected(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        server_in, server_out = await asyncio.open_connection("127.0.0.1", server_port, limit=BLOCK)
        answering = True

        async def ask() -> None:
            nonlocal answering
            while data := await client_in.read(BLOCK):
                answering = False
                server_out.write(data)
                await server_out.drain()
            server_out.close()

        async def answer() -> None:
            nonlocal answering
            while data := await server_in.read(BLOCK):
                if not answering:
                    answering = True
                    await asyncio.sleep(delay)
                client_out.write(data)
                await client_out.drain()
            client_out.close()

        await asyncio.gather(ask(), answer(), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", listen_port, limit=BLOCK)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
