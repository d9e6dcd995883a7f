"""The containers, proven: `make test-compose`. `make test` does not come here, as this needs Docker."""
