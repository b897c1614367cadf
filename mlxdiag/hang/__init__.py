"""Hang: where every rank of a run is, twice, and what a person would conclude from it."""
