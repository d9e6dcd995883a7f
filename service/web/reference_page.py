"""The reference as a page."""

from typing import Any

POLICY = "default-src 'none'; frame-ancestors 'none'"


def render(document: dict[str, Any]) -> str:
    """The document as HTML."""
    return ""


def render_problems() -> str:
    """The kinds of problems as HTML."""
    return ""
