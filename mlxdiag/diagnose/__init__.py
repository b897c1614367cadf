"""Diagnose: what a failed run left behind -> which error was the cause, and of which port."""
