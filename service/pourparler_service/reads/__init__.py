"""Reads, filtered for the viewer: points in time, replays, subscriptions and lists."""
