"""The web edge: turns HTTP into calls of the store, and its errors into one shape of answer."""
