"""Programs beside the service: replaying comments, measuring."""
