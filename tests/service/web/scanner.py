"""Looks for e-mail addresses in bytes, in every form in which one could leak."""

import base64
import binascii
import hashlib
import html
import json
import quopri
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import psycopg
from psycopg import sql


def forms(address: str) -> dict[str, list[bytes]]:
    """The forms of an address by name, each with the bytes that give it away.

    Twelve encodings, of which some show differently by alignment or case, and three hashes in hexadecimal, base64 and
    as bytes.
    """
    plain = address.encode()
    local = address.partition("@")[0].encode()
    found: dict[str, list[bytes]] = {
        "plain": [plain],
        "local part": [local],
        "upper case": [plain.upper(), local.upper()],
        "reversed": [plain[::-1]],
        "base64": [part for raw in (plain, local) for part in _base64_cores(raw)],
        "base64url": [part.translate(bytes.maketrans(b"+/", b"-_")) for part in _base64_cores(plain)],
        "hexadecimal": [binascii.hexlify(local), binascii.hexlify(local).upper()],
        "percent": ["".join(f"%{byte:02X}" for byte in local).encode(), "".join(f"%{byte:02x}" for byte in local).encode()],
        "percent where needed": [quote(address).encode(), quote(address, safe="").lower().encode()],
        "quoted-printable": [quopri.encodestring(plain, quotetabs=True).strip(), "".join(f"={byte:02X}" for byte in local).encode()],
        "JSON escapes": ["".join(f"\\u{ord(c):04x}" for c in address).encode(), address.replace("@", "\\u0040").encode()],
        "HTML entities": [
            "".join(f"&#{ord(c)};" for c in address).encode(), "".join(f"&#x{ord(c):x};" for c in address).encode(),
            html.escape(address).replace("@", "&#64;").encode(),
        ],
        "UTF-16": [address.encode("utf-16-le"), address.encode("utf-16-be")],
        "UTF-32": [address.encode("utf-32-le"), address.encode("utf-32-be")],
    }  # fmt: skip
    for name in ("md5", "sha1", "sha256"):
        for form in {plain, plain.lower(), plain.upper(), plain.strip(), local}:
            digest = hashlib.new(name, form, usedforsecurity=False).digest()
            found.setdefault(name, []).extend(
                [
                    digest.hex().encode(),
                    digest.hex().upper().encode(),
                    base64.b64encode(digest).rstrip(b"="),
                    digest[:16],
                ]
            )
    return found


def _base64_cores(raw: bytes) -> list[bytes]:
    """What stands in base64 of any text that holds `raw`, at each of the three alignments."""
    cores = []
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw)
        core = coded[4 if before else 0 :]
        cores.append(core[: len(core) - 4 if (before + len(raw)) % 3 else len(core)])
    return cores


def scan(addresses: Iterable[str], places: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Every (place, form) where one of the addresses shows."""
    hits = []
    for address in addresses:
        for form, needles in forms(address).items():
            hits += [(place, form) for place, data in places.items() if any(needle in data for needle in needles)]
    return hits


def everything_stored(owner_url: str) -> dict[str, bytes]:
    """All rows of every table of a database, by column: texts as they are, bytes as they are, the rest as text."""
    found: dict[str, bytes] = {}
    with psycopg.connect(owner_url) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, ordinal_position"
        ).fetchall()
        for schema, table, column, kind in columns:
            name = sql.Identifier(column)
            value = name if kind == "bytea" else sql.SQL("{}::text").format(name)
            rows = connection.execute(
                sql.SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(value, sql.Identifier(schema, table), name)
            ).fetchall()
            data = b"\n".join(row[0] if isinstance(row[0], bytes) else row[0].encode() for row in rows)
            if kind == "jsonb":
                data += b"\n" + json.dumps([json.loads(row[0]) for row in rows], ensure_ascii=False).encode()
            found[f"{schema}.{table}.{column}"] = data
    return found
