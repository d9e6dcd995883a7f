"""Requests made from the OpenAPI document, against the running service."""
