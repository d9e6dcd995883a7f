"""What `comity backup` and `comity restore` share: sentences about keys, and the ends that a backup can come to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.backups import BackupError, Contents, Damaged, Exists, Full, ToolsMissing
from service.cli.exits import Exit, Stop
from service.cli.reach import Place

_CODES: tuple[tuple[type[BackupError], Exit], ...] = (
    (Exists, Exit.CANNOT_CREATE),
    (Damaged, Exit.DATA),
    (Full, Exit.FULL),
    (ToolsMissing, Exit.NO_PROGRAM),
)


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Turns what can go wrong with a backup into its end."""
    try:
        yield
    except BackupError as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), Exit.NOTHING)
        raise Stop(str(error), code) from None
    except OSError as error:
        raise Stop(f"{file} cannot be used: {error.strerror}.", Exit.CANNOT_CREATE) from None


def keys(place: Place) -> str:
    """Where the keys are, which no backup holds."""
    if place.secrets:
        return (
            f"Keys are not in it: they are in {place.data}/secrets.json. Keep that file too, apart from the backup; "
            "without it e-mail addresses cannot be opened and authors are not recognised."
        )
    return (
        "Keys are not in it: keep COMITY_SECRET_KEY, COMITY_INDEX_KEY and the contact keys too, apart from the backup; "
        "without them e-mail addresses cannot be opened and authors are not recognised."
    )


def view(file: Path, contents: Contents) -> dict[str, Any]:
    """A backup as programs get it."""
    return {
        "file": str(file), "size": contents.size, "sha256": contents.sha256, "schema": contents.schema,
        "release": contents.release, "postgres": contents.major, "made_at": contents.made_at,
        "rows": dict(contents.rows),
    }  # fmt: skip


def megabytes(size: int) -> str:
    """For people."""
    return f"{size / 1e6:,.1f} MB"
