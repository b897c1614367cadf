"""Probes: real collectives, launched by us, judged from what every rank said."""
