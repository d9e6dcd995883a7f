"""Formats of ours that no schema can say: Schemathesis loads this to make values of them."""

import schemathesis
from hypothesis import strategies as st

_WORD = st.text("abcdefghijklmnopqrstuvwxyz\u00e9\u00fc\u0436", min_size=2, max_size=12)

schemathesis.openapi.format(
    "words", st.one_of(_WORD, _WORD.map("{}*".format), st.lists(_WORD, min_size=2, max_size=8).map(" ".join))
)
schemathesis.openapi.format(
    "re2", st.sampled_from([r"\bcheap\s+pills?\b", r"casino\w*", r"(?:a|b){2,5}c", r"\p{Greek}+", "x", r"^buy.*now$"])
)
schemathesis.openapi.format(
    "network", st.sampled_from(["192.0.2.0/24", "198.51.0.0/16", "10.0.0.0/8", "2001:db8:1::/48", "2001:db8::/32"])
)
