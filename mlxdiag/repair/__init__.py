"""Repair: what is wrong -> a plan of steps. Nothing here changes a host."""
