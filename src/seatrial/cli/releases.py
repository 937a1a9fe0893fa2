"""``seatrial release``: the release that is tried and rolled out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seatrial.cli.sealing import write_file

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    release = typer.Typer(help="The release that is tried and rolled out.", no_args_is_help=True)
    release.command("digest")(release_digest)
    app.add_typer(release, name="release")


def release_digest(
    sources: Annotated[list[str] | None, typer.Argument(help="PATH or LABEL=PATH, files and directories.")] = None,
    name: Annotated[str, typer.Option(help="The system's name.")] = "",
    version: Annotated[str, typer.Option(help="The version.")] = "",
    image: Annotated[list[str] | None, typer.Option(help="LABEL=sha256:HEX, for a container image.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where it goes; default: standard output.")] = None,
) -> None:
    """Compute a release manifest: what is tried, and later what is deployed."""
    from seatrial.errors import UsageError
    from seatrial.model.release import release_of

    paths, images = [], []
    for source in sources or []:
        label, equals, path = source.partition("=")
        paths.append((label, Path(path)) if equals else (Path(source).name, Path(source)))
    for item in image or []:
        label, equals, digest = item.partition("=sha256:")
        if not equals:
            raise UsageError("an image is written LABEL=sha256:HEX", value=item, remedy="Give its digest, not its tag.")
        images.append((label, digest))
    release = release_of(name, version, paths, images)
    if out is None:
        typer.echo(release.to_bytes().decode())
    else:
        write_file(out, release.to_bytes())
        typer.echo(f"{release.name} {release.version}: {len(release.subjects)} subjects")
