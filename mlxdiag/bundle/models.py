"""Models: names of models in command lines, paths and logs: they tell what somebody works on.

A path keeps its form, and a part of it is the same wherever it stands: `--model /x/models/acme-7b`,
`models--acme--7b` of Hugging Face's cache, and `acme-7b` by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

_SLASH = r"\\?/"
_VALUE = r"(?:[^\s\"',;:)\]}\\]|\\/)+"
_QUOTE = r"(?:\\?[\"'])?"
_SAID = re.compile(
    r"(?P<before>--(?:model|model-path|draft-model|adapter-path|hf-repo|served-model-name)"
    rf"(?:[ =]{_QUOTE}|\\?\",? ?\\?\")"
    r"|(?i:(?<![\w.\"])(?:loading model(?: from)?:? |(?:model(?:_path|_name|_id)?|repo_id)[:=] ?)"
    rf"{_QUOTE})(?=[^\s\"',;:)\]}}]*[/\d])"
    r"|\"(?:model(?:_path|_name|_id)?|repo_id)\" ?: ?\""
    rf"|{_SLASH}models{_SLASH}|{_SLASH}(?=models--)|huggingface\.co{_SLASH})"
    rf"(?!Mac\d)(?P<value>{_VALUE})"
    rf"|(?P<volumes>(?<!/System){_SLASH}Volumes{_SLASH})(?!Macintosh)(?P<label>[^\s\"',;:)\]}}\\/]+)"
)
"""In free text a name has a slash or a digit: `unknown model: error` names none."""

_PARTS = re.compile(r"(\\?/|--|@)")
_KEPT = frozenset(
    (
        "", ".", "..", "~", ".cache", ".lmstudio", "applications", "blobs", "cache", "data",
        "default_model", "hf", "home", "hub", "huggingface", "library", "local", "main", "mnt",
        "model", "models", "none", "null", "opt", "private", "refs", "shared", "snapshots", "srv",
        "tmp", "users", "usr", "var", "volumes",
    )
)  # fmt: skip
"""Parts of paths that say nothing of anybody."""

_FILE = re.compile(
    r".*\.(?:json|log|py|safetensors|sh|toml|txt|yaml)"
    r"|\.?venv|bin|lib|site-packages|python[\d.]*|mlx|mlx[_-](?:lm|vlm|community|metal|cpu)(?:\.\w+)*"
    r"|homebrew|documents|desktop|downloads|resolve|api",
    re.IGNORECASE,
)
"""Files, and parts of everybody's paths: of these jobs are known."""

_TELLING = re.compile(r"(?=.*[A-Za-z])(?=.*[\d_.-]).{5,}", re.DOTALL)


def replaced(said: str, pseudonym: Callable[[str], str]) -> str:
    """Replace every part of a model's name or path; `pseudonym` gives another for a part."""

    def value(found: re.Match[str]) -> str:
        if found["label"] is not None:
            return found["volumes"] + pseudonym(found["label"])
        parts = _PARTS.split(found["value"])
        made = (p if kept else pseudonym(p) for p, kept in zip(parts, _kept(parts), strict=True))
        return found["before"] + "".join(made)

    return _SAID.sub(value, said)


def telling(texts: Iterable[bytes]) -> list[str]:
    """List the parts that are names wherever they stand."""
    found: dict[str, None] = {}
    for raw in texts:
        for match in _SAID.finditer(raw.decode("latin-1")):
            parts = _PARTS.split(match["value"] or "")
            pairs = zip(parts, _kept(parts), strict=True)
            found |= {p: None for p, kept in pairs if not kept and alone(p)}
    return [part.encode("latin-1").decode("utf-8", "replace") for part in found]


def alone(part: str) -> bool:
    """Whether a part is a name wherever it stands, and no word of everybody's."""
    return bool(_TELLING.fullmatch(part))


def _kept(parts: list[str]) -> Iterator[bool]:
    """Say of every part whether it stays: what separates, files, and the owner of a home."""
    owner = False
    for at, part in enumerate(parts):
        low = part.lower()
        yield bool(at % 2) or owner or low in _KEPT or bool(_FILE.fullmatch(part))
        if not at % 2:
            owner = low in ("users", "home")
