"""The gRPC edge: parse, authenticate, apply quotas, call a lower wing, translate errors."""
