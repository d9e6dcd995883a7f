"""What all tests of the service share."""

import pytest
import structlog

from service import log


@pytest.fixture(scope="session", autouse=True)
def _log_lines() -> None:
    """Events as the service writes them, one line each, where pytest captures them."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, log._plain_error, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
