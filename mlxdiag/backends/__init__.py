"""Backends: per backend one file: cluster and rank order -> ranks, or what stands against it."""
