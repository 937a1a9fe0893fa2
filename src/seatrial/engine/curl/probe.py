"""One question to the target before the run, in the version of HTTP that the run will speak."""

from __future__ import annotations

from typing import Final, Literal

import pycurl

from seatrial.engine.curl.failures import HTTP2_STREAM, HTTP3, failure_to_connect
from seatrial.engine.curl.settings import Route, Settings
from seatrial.engine.http.target import Target
from seatrial.errors import TargetError
from seatrial.model.sample import Outcome
from seatrial.units import MS, SECOND

__all__ = ["Prober"]

_WAIT_NS: Final = 5 * SECOND


class Prober:
    """Asks ``OPTIONS *``, which is about the server as a whole and changes nothing (RFC 9110, 9.3.7), and waits.

    Whatever it answers, and be it that it resets the stream, it has answered in that version of HTTP.

    Args:
        target: Whom.
        transport: In which version.

    Raises:
        TargetError: the CA file can't be read.
        UsageError: HTTP/3 without TLS or through a proxy.
    """

    def __init__(self, target: Target, transport: Literal["http/2", "http/3"]) -> None:
        self._target = target
        self._transport = transport
        self._settings = Settings(target, transport, _WAIT_NS)

    def ask(self, route: Route) -> None:
        """Ask over a new connection.

        Raises:
            ConnectionError: no answer came; the message says why.
            TargetError: the certificate does not prove the host.
        """
        stood = False

        def on_open(*_: object) -> int:
            nonlocal stood
            stood = True
            return int(pycurl.PREREQFUNC_OK)

        handle = self._settings.handle()
        try:
            self._settings.send(handle, route)
            handle.setopt(pycurl.CUSTOMREQUEST, "OPTIONS")
            handle.setopt(pycurl.REQUEST_TARGET, "*")
            handle.setopt(pycurl.HTTPHEADER, [b"host: " + self._settings.authority])
            handle.setopt(pycurl.TIMEOUT_MS, 2 * _WAIT_NS // MS)
            handle.setopt(pycurl.WRITEFUNCTION, lambda part: None)
            handle.setopt(pycurl.PREREQFUNCTION, on_open)
            handle.perform()
        except pycurl.error as error:
            self._refuse(handle, int(error.args[0]), str(error.args[-1]), stood)
        finally:
            handle.close()

    def _refuse(self, handle: pycurl.Curl, code: int, text: str, stood: bool) -> None:
        if code in {HTTP2_STREAM, HTTP3} and stood:
            return
        spoken = f"{self._transport.upper()} is not spoken there"
        if stood:
            raise ConnectionError(f"{spoken}: {text or 'the connection was closed'}")
        quic = self._transport == "http/3"
        errno, proof = handle.getinfo(pycurl.OS_ERRNO), handle.getinfo(pycurl.SSL_VERIFYRESULT)
        outcome, detail = failure_to_connect(code, text, errno, proof, quic)
        if code == pycurl.E_PEER_FAILED_VERIFICATION:
            raise TargetError(
                f"the target's certificate does not prove its name ({detail})",
                value=f"https://{self._target.authority}",
                remedy="Install the right certificate, or name the issuer's file as tls.ca in the plan.",
            )
        raise ConnectionError(f"{spoken}: {detail}" if outcome is Outcome.TLS_FAILED else detail)

    def close(self) -> None:
        """Give up what it holds."""
        self._settings.close()
