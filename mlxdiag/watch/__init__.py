"""Watch: the same facts again and again, and what changed between them (docs/watch.md)."""
