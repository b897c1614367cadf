"""Evidence: what only a bundle asks of a host: crash reports, and what the kernel says of RDMA.

Nothing reads it but people: it is in the recording as it was printed.
"""

from __future__ import annotations

from mlxdiag.capture import Command

_CRASHES = """\
for folder in "$HOME/Library/Logs/DiagnosticReports" /Library/Logs/DiagnosticReports; do
  find "$folder" -type f -mtime -7 \\( -name "*.ips" -o -name "*.panic" \\) 2>/dev/null
done | while IFS= read -r file; do
  words="libmlx|jaccl|librdma|thunderboltrdma"
  case "${file##*/}" in *.panic|panic-*.ips) words="$words|panic" ;; esac
  if grep -qiE "$words" "$file" 2>/dev/null; then
    printf "== %s\\n" "$file"
    head -c 65536 "$file"
    printf "\\n"
  fi
done | head -c 1048576
"""
"""Crash reports of the last seven days that name MLX or RDMA, and panics: 64 KiB of each.

Programs in Rust and Go have `panic` in the names of their functions: only the kernel's files count.
"""

COMMANDS: tuple[Command, ...] = (
    Command("crash_reports", ("/bin/sh", "-c", _CRASHES), 20, lane="evidence"),
    Command(
        "rdma_log",
        (
            "log",
            "show",
            "--last",
            "30m",
            "--style",
            "compact",
            "--predicate",
            'process == "kernel" AND eventMessage CONTAINS[c] "RDMA"',
        ),
        60,
        lane="evidence",
    ),
)
