"""The release. `pyproject.toml` names the same; a test compares."""

VERSION = "0.6.0"
