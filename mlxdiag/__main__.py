"""Run as `python -m mlxdiag`."""

from mlxdiag.cli import main

main()
