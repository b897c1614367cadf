"""Tests of the plan of repairs."""
