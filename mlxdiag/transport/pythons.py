"""Where a host's interpreter with mlx may be, in sh: `seek`, a part of the program of `shell`.

Only where the inventory names none. Folders are looked into first, which costs next to nothing: an
interpreter is started where the files of mlx lie beside it, and the first one that can import it,
and that a rank can run on, is the host's. At the end python3 on PATH is started in any case,
because it may have mlx from places that are not looked into. Nothing is written, and no tool (uv,
conda, brew) is run.

Every place with an interpreter is a line of stdout before the answers, `MARK VERDICT: WHY: PATH`,
PATH with `~/` for the login folder. VERDICT is `mlx` for one that is started next, `no mlx`, or
`stub` for Apple's python3 without the developer tools.
"""

from __future__ import annotations

MARK = "mlxdiag-python: "

BREW = "/opt/homebrew /usr/local"
"""Where Homebrew keeps `bin/python3.N`, on PATH or not: on Apple silicon and elsewhere."""

MINORS = "14 13 12 11 10"
"""Of Homebrew's and python.org's interpreters: those a rank can run on, the newest first."""

LOOKS = 40
"""Interpreters looked at; there may be many environments of conda."""

STARTS = 3
"""Interpreters started because mlx lies beside them; python3 on PATH comes on top."""

FAILED = 9
"""Exit status of a program that has answered that it is of no use: no mlx, or too old."""

_ACTIVE = "the active virtual environment"
_UV = "${XDG_DATA_HOME:-$U/.local/share}/uv"
_CONDA = " ".join(
    f'"{folder}"'
    for folder in (
        *(f"$U/{n}" for n in ("miniconda3", "miniforge3", "anaconda3", "mambaforge", "micromamba")),
        *("$U/opt/miniconda3", "$U/opt/anaconda3", "/opt/miniconda3", "/opt/miniforge3"),
        *("/opt/anaconda3", "/opt/homebrew/Caskroom/miniconda/base"),
        "/opt/homebrew/Caskroom/miniforge/base",
    )
)
_FRAMEWORK = "/Library/Frameworks/Python.framework/Versions/3.$v"
_USER = '"$U"/Library/Python/3.$v/lib/python/site-packages "$U"/.local/lib/python3.$v/site-packages'

# Names, besides those of `shell`: U login folder, H folders of BREW, S the program, u its option;
# y why a place is looked at, p the interpreter there, c looked at and t started so far, z one can
# import mlx, g one has answered, j and a the first p and y without mlx.
SEEK = "; ".join(
    (
        "U=${HOME:-/-}",
        f'note() {{ d=${{p#"$U"/}}; [ "$d" = "$p" ] || d="~/$d"; '
        f'printf "{MARK}%s: %s: %s$L" "$1" "$y" "$d"; }}',
        # begin: start p; a signal that ended it is the controller's, and the end of the search
        "begin() { t=$((t+1)); note mlx; "
        'e=$(exec "$p" "$u" "$S" seek 2>&1 >&3 3>&- 4>&-); q=$?; '
        f"case $q in 0|137|143) z=1;; {FAILED}) g=1;; esac; }}",
        # look WHY PYTHON SITE-PACKAGES...
        f'look() {{ y=$1; p=$2; shift 2; if [ -n "$z" ] || [ $c -ge {LOOKS} ] '
        f'|| [ $t -ge {STARTS} ] || [ -d "$p" ] || [ ! -x "$p" ]; then return; fi; c=$((c+1)); '
        'for m; do for f in "$m"/mlx/core* "$m"/mlx-*.dist-info; do '
        'if [ -e "$f" ]; then begin; return; fi; done; done; '
        'note "no mlx"; if [ -z "$j" ]; then j=$p; a=$y; fi; }',
        # venv WHY FOLDER: one of the kind that venv, uv and conda make
        'venv() { look "$1" "$2/bin/python" "$2"/lib/python3.*/site-packages; }',
        # seek NAME OPTION PROGRAM
        "seek() { n=$1; u=$2; S=$3; e=; q=; c=0; t=0; z=; g=; j=; a=; "
        f'if [ -n "$VIRTUAL_ENV" ]; then venv "{_ACTIVE}" "$VIRTUAL_ENV"; fi; '
        'venv "a .venv in the login folder" "$U/.venv"; '
        f'for d in "${{UV_TOOL_DIR:-{_UV}/tools}}"/*; do venv "a tool of uv" "$d"; done; '
        f'for d in "${{UV_PYTHON_INSTALL_DIR:-{_UV}/python}}"/cpython-*; do '
        'look "a Python of uv" "$d/bin/python3" "$d"/lib/python3.*/site-packages; done; '
        'if [ -n "$CONDA_PREFIX" ]; then venv "the active conda environment" "$CONDA_PREFIX"; fi; '
        f'for x in {_CONDA}; do venv "a conda installation" "$x"; '
        'for d in "$x"/envs/*; do venv "a conda environment" "$d"; done; done; '
        f"for v in {MINORS}; do for d in $H; do "
        'look "a Python in $d/bin" "$d/bin/python3.$v" "$d"/lib/python3.$v/site-packages '
        f'{_USER}; done; look "a Python of python.org" {_FRAMEWORK}/bin/python3 '
        f"{_FRAMEWORK}/lib/python3.$v/site-packages {_USER}; done; "
        'if [ -z "$z" ]; then last; fi; '
        # what has answered is an answer, whatever became of those after it
        'if [ -z "$q" ]; then say "$n" " ${r:-missing}"; return; fi; '
        'case $q in 137|143) ;; *) if [ -n "$g" ]; then q=0; fi;; esac; say "$n" "$e $q"; }',
        # last: python3 on PATH; where there is none, the first one that was seen tells about itself
        'last() { r=; y="python3 on PATH"; if where python3; then p=$w; else p=; fi; '
        'if [ "$p" = "$T" ] && [ -x "$D" ]; then "$D" -p >/dev/null || '
        "{ note stub; r=stub; p=; }; fi; "
        'if [ -z "$p" ]; then if [ "$t" -gt 0 ]; then return; fi; p=$j; y=$a; fi; '
        'if [ -n "$p" ]; then begin; fi; }',
    )
)
