"""Preflight: the gate before a server starts (docs/preflight.md)."""
