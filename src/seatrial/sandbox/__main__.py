"""The command line of the booking service: ``serve`` it, or list its ``patrons``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from seatrial.sandbox.patrons import patrons_csv
from seatrial.sandbox.problems import SandboxError
from seatrial.sandbox.release import RELEASES, load_release
from seatrial.sandbox.switches import SWITCHES, parse_assignments

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m seatrial.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    lines = "\n".join(f"  {name:<20} {switch.meaning}" for name, switch in SWITCHES.items())
    serve = commands.add_parser(
        "serve",
        help="run the service until it is told to stop",
        epilog=f"switches (0 or off is the default):\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("--release", required=True, choices=RELEASES)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=0, help="port to listen on; 0 is any free one (0)")
    serve.add_argument("--data", type=Path, help="directory of the database (a temporary one)")
    serve.add_argument("--patrons", type=int, help="citizens to seed, instead of the release's own number")
    serve.add_argument("--slots", type=int, help="court hours to seed, instead of the release's own number")
    serve.add_argument("--fault", action="append", default=[], metavar="NAME=VALUE", help="turn a switch")
    serve.add_argument("--seed", type=int, default=1, help="seed of the faults' draws (1)")
    serve.add_argument("--allow-faults", action="store_true", help="let POST /faults turn switches")
    serve.add_argument("--tls-cert", type=Path, help="PEM certificate chain, for HTTPS")
    serve.add_argument("--tls-key", type=Path, help="PEM private key of the certificate")
    serve.add_argument("--die-with-parent", action="store_true", help="stop when standard input is closed")
    patrons = commands.add_parser("patrons", help="write the citizens as CSV, to feed a load test")
    patrons.add_argument("--count", type=int, required=True, help="how many, from P000001 on")
    return parser


def _serve(args: argparse.Namespace) -> None:
    # Imported here: listing patrons, or refusing a wrong switch, needs no web server.
    release = load_release(args.release)
    release = replace(
        release,
        patrons=release.patrons if args.patrons is None else args.patrons,
        slots=release.slots if args.slots is None else args.slots,
        switches={**release.switches, **parse_assignments(args.fault)},
    )
    if not 1 <= release.slots <= 10_000_000:
        raise SandboxError("no such number of court hours", value=release.slots, remedy="Use 1 to 10000000.")
    if not 0 <= args.port <= 65_535:
        raise SandboxError("no such port", value=args.port, remedy="Use 0 to 65535.")
    if (args.tls_cert is None) != (args.tls_key is None):
        given = args.tls_cert or args.tls_key
        raise SandboxError("TLS needs two files", value=given, remedy="Give --tls-cert and --tls-key.")

    from seatrial.sandbox.server import Options, serve

    # No scratch directory where none is needed: a killed service could not remove it.
    scratch = tempfile.TemporaryDirectory(prefix="seatrial-sandbox-") if args.data is None else nullcontext(args.data)
    with scratch as data:
        options = Options(
            release=release,
            host=args.host,
            port=args.port,
            data=Path(data),
            seed=args.seed,
            allow_faults=args.allow_faults,
            tls_cert=args.tls_cert,
            tls_key=args.tls_key,
            die_with_parent=args.die_with_parent,
        )
        serve(options, _announce)


def _announce(ready: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done, 2 called in a way that can't work."""
    args = _parser().parse_args(argv)
    try:
        if args.command == "serve":
            _serve(args)
        else:
            # Bytes: the file has Chinese names in it and is UTF-8 whatever the terminal is set to.
            sys.stdout.buffer.write(patrons_csv(args.count).encode())
            sys.stdout.buffer.flush()
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
