"""Names of hosts in the one form in which they are compared."""

import idna


def dns_name(host: str) -> str:
    """A host in the form that DNS knows, as browsers send it: IDNA 2008 after UTS 46, else IDNA 2003 (for emoji).

    Lower case. A name that neither knows is given back in lower case.
    """
    name = host.lower()
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        pass
    try:
        return name.encode("idna").decode().lower()
    except UnicodeError:
        return name
