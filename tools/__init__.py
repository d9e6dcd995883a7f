"""Programs beside the service: installing, replaying comments, measuring."""
