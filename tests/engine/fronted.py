"""nginx in front of a scripted server: HTTP/1.1 and HTTP/2 with TLS on one port, HTTP/2 without TLS on another."""

from __future__ import annotations

import itertools
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_runs = itertools.count()

_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests {requests};
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_body_buffer_size 1m; proxy_buffer_size 64k; proxy_buffers 8 512k; proxy_busy_buffers_size 1m;
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{secure} ssl {http2}; listen 127.0.0.1:{plain} {http2};
    ssl_certificate {pem}; ssl_certificate_key {pem};
    location / {{
      proxy_pass http://behind; proxy_http_version 1.1;
      proxy_set_header connection ""; proxy_set_header host $http_host;
      proxy_set_header x-connection $connection; proxy_set_header x-protocol $server_protocol;
    }}
  }}
}}
"""


@dataclass
class Front:
    """A running nginx.

    Attributes:
        secure: Port with TLS.
        plain: Port without.
    """

    secure: int
    plain: int


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    socks = [socket.socket() for _ in range(count)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    ports = [int(sock.getsockname()[1]) for sock in socks]
    for sock in socks:
        sock.close()
    return ports


@contextmanager
def fronted(folder: Path, behind: int, pem: Path, *, http2: bool = True, requests: int = 100_000) -> Iterator[Front]:
    """Run nginx in front of the port ``behind``.

    Args:
        folder: For its files.
        behind: Where requests are passed on to. ``x-connection`` numbers the client's connection.
        pem: Its certificate and key.
        http2: Whether it speaks HTTP/2.
        requests: After how many it ends a connection, in order.
    """
    own = folder / f"nginx-{next(_runs)}"
    own.mkdir()
    secure, plain = free_ports(2)
    text = _CONFIGURATION.format(
        folder=own,
        behind=behind,
        secure=secure,
        plain=plain,
        pem=pem,
        http2="http2" if http2 else "",
        requests=requests,
    )
    (own / "nginx.conf").write_text(text)
    command = ["/usr/sbin/nginx", "-p", str(own), "-c", str(own / "nginx.conf"), "-e", str(own / "error.log")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _await_listener(plain, process)
            yield Front(secure, plain)
        finally:
            process.terminate()
            process.wait(5)


def _await_listener(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < give_up and process.poll() is None, "nginx does not start"
            time.sleep(0.005)
