"""Calls to the service: requests, retry, streams, channels and credentials."""
