"""Set mlxdiag up in `.venv` beside this file, on a machine that has git and Python, and run it.

    python3 bootstrap.py demo       install mlxdiag and run `mlxdiag demo`
    python3 bootstrap.py test       install it with its developers' tools and run the tests
    python3 bootstrap.py dev        install the same and stop there
    python3 bootstrap.py COMMAND    install it and run `mlxdiag COMMAND`

The second time nothing is installed. Any Python that starts this file must be able to say what is
missing, so its syntax is that of Python 3.6 and it imports nothing but that version's library.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
NAMES = ("python3.13", "python3.12", "python3.11", "python3.14", "python3")
PLACES = "/opt/homebrew/bin:/usr/local/bin"
"""Where macOS keeps other Pythons than its own, on PATH or not."""

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "bootstrap-stamp"
"""Written last, so that an interrupted run is known by its absence."""

WHOLE = """
import importlib.metadata, sys
files = importlib.metadata.files("pip") or [] if sys.version_info >= {0} else []
sys.exit(not files or any(f.suffix == ".py" and not f.locate().exists() for f in files))
"""

OLD = """mlxdiag needs Python {0}.{1} or newer; this is {2}.{3}, and PATH has no newer one.
  macOS:   brew install python@3.13, or the installer from https://www.python.org/downloads/
  Debian:  Debian 12 and Ubuntu 24.04 are the first releases whose python3 is new enough
"""
NO_VENV = """mlxdiag: {0} cannot make virtual environments (it has no ensurepip), and neither
uv nor virtualenv is on PATH. Install one of them and run this again:
  Debian, Ubuntu:  sudo apt-get install {1}
  elsewhere:       https://docs.astral.sh/uv/getting-started/installation/
"""


def main() -> int:
    """Set up what the command needs, then become it."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(__doc__ or "")
        return 0 if words else 2
    if sys.version_info < OLDEST:
        return with_newer_python()
    dev = words[0] in ("dev", "test")
    made = prepare(dev)
    if made or words == ["dev"]:
        return made
    if words[0] == "test":
        os.chdir(str(ROOT))
        become(str(PYTHON), "-m", "pytest", "--cov", "-n", "4", "--dist", "loadgroup", *words[1:])
    become(str(PYTHON), "-m", "mlxdiag", *words)
    return 0


def with_newer_python() -> int:
    """Start over with a Python that is new enough, or say that there is none."""
    check = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    path = os.environ.get("PATH", os.defpath) + os.pathsep + PLACES
    for name in NAMES:
        found = shutil.which(name, path=path)
        if found and quiet(found, "-c", check):
            become(found, str(Path(__file__).resolve()), *sys.argv[1:])
    sys.stderr.write(OLD.format(*OLDEST, *sys.version_info[:2]))
    return 2


def prepare(dev: bool) -> int:
    """Make .venv and install into it, unless an earlier run has; give an exit code."""
    stamps = [stamp("dev")] if dev else [stamp("dev"), stamp("run")]
    if STAMP.is_file() and STAMP.read_text() in stamps and quiet(str(PYTHON), "-c", ""):
        return 0
    if not usable():
        made = make_venv()
        if made:
            return made
    say("installing into .venv; the first time this takes a minute")
    options = ["--disable-pip-version-check", "--quiet", "--editable", str(ROOT)]
    if run(str(PYTHON), "-m", "pip", "install", *options, *(tools() if dev else [])):
        say("pip could not install what mlxdiag needs; its own words are above")
        return 2
    run(str(PYTHON), "-m", "compileall", "-q", str(ROOT / "mlxdiag"))
    STAMP.write_text(stamp("dev" if dev else "run"))
    return 0


def stamp(what: str) -> str:
    """Name an installation: what was asked for, where, and from which pyproject.toml."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    return f"{what}\n{ROOT}\n{wanted}\n"


def tools() -> "list[str]":
    """Give the dev group as plain requirements: pip before 25.1 knows no `--group`."""
    import tomllib  # noqa: PLC0415  # Python 3.11's; older ones parse this file as well

    with (ROOT / "pyproject.toml").open("rb") as stream:
        return list(tomllib.load(stream)["dependency-groups"]["dev"])


def usable() -> bool:
    """Tell whether .venv is new enough and whole: in one that was cut short pip lacks files."""
    return PYTHON.exists() and quiet(str(PYTHON), "-c", WHOLE.format(OLDEST))


def make_venv() -> int:
    """Make .venv with the first means that there is."""
    if VENV.is_symlink() or (VENV.exists() and not VENV.is_dir()):
        say(f"{VENV} is not a folder of its own: move it away")
        return 2
    if VENV.is_dir():
        say(".venv is not whole or not usable: making it again")
        shutil.rmtree(str(VENV))
    say("making .venv")
    if made_by(means()) or (not has_ensurepip() and apt() and made_by(means())):
        return 0
    if means():
        say("could not make .venv; what was tried has said why, above")
    else:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        sys.stderr.write(NO_VENV.format(sys.executable, package))
    return 2


def made_by(commands: "list[list[str]]") -> bool:
    """Try one command after the other until there is a whole .venv."""
    for argv in commands:
        if run(*argv) == 0 and usable():
            return True
        shutil.rmtree(str(VENV), ignore_errors=True)
    return False


def means() -> "list[list[str]]":
    """List the commands that can make .venv here, the preferred one first."""
    uv, virtualenv = shutil.which("uv"), shutil.which("virtualenv")
    found = []
    if has_ensurepip():
        found.append([sys.executable, "-m", "venv", str(VENV)])
    if uv:
        found.append([uv, "venv", "--quiet", "--seed", "--python", sys.executable, str(VENV)])
    if virtualenv:
        found.append([virtualenv, "--quiet", "--python", sys.executable, str(VENV)])
    return found


def has_ensurepip() -> bool:
    """Ask in a process of its own: after `apt` the answer is another one."""
    return quiet(sys.executable, "-c", "import ensurepip, venv")


def apt() -> bool:
    """Install Debian's package for virtual environments, if this is Debian's own Python."""
    apt_get, sudo = shutil.which("apt-get"), shutil.which("sudo")
    if not apt_get or sys.base_prefix != "/usr" or (os.geteuid() != 0 and not sudo):
        return False
    as_root = [] if os.geteuid() == 0 else [str(sudo)]
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    install = [*as_root, apt_get, "install", "--yes", package]
    say("this Python has no ensurepip; running: " + " ".join(install))
    if run(*install):
        run(*as_root, apt_get, "update")
        run(*install)
    return has_ensurepip()


def become(*argv: str) -> None:
    """Put another program in the place of this one: its exit code and signals are its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(argv[0], list(argv), clean())  # noqa: S606


def run(*argv: str) -> int:
    """Run a command that may speak on stderr only: stdout belongs to the report."""
    return subprocess.call(argv, stdin=None, stdout=2, env={**clean(), "PIP_USER": "0"})


def quiet(*argv: str) -> bool:
    """Tell whether a command succeeds."""
    try:
        null = subprocess.DEVNULL
        return subprocess.call(argv, stdin=null, stdout=null, stderr=null, env=clean()) == 0
    except OSError:
        return False


def clean() -> "dict[str, str]":
    """Give the environment without what would lead Python away from .venv."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}


def say(text: str) -> None:
    """Speak on stderr."""
    sys.stderr.write(f"mlxdiag: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
