"""Benchmarks: ratios against a peer or a floor, measured in one run. Not part of the tests."""
