"""Facts: one file per command, each with its COMMAND, a frozen dataclass and parse()."""
