"""Texts of the area access: what ssh gives a launcher."""

from __future__ import annotations

from mlxdiag.explained.entry import Explained

LAUNCH = "https://github.com/ml-explore/mlx/blob/main/python/mlx/_distributed_utils/launch.py"

ENTRIES: dict[str, Explained] = {
    "access-fast": Explained(
        detect="Seconds from the first packet to the open session of mlxdiag's own connection. It"
        " offers keys only: what OpenSSH tries before them comes on top.",
        steps=(
            "See what it waits for: `ssh -v HOST true`.",
            "Compare: `time ssh -o GSSAPIAuthentication=no -o IdentitiesOnly=yes HOST true`.",
            "Where that is faster, write both options under `Host HOST` in ~/.ssh/config.",
            "Where it is not, look at the name: `.local` may take long; use the IPv4 address.",
        ),
        risk="With IdentitiesOnly only the keys that the configuration names are offered.",
        survives_reboot=True,
        place="here",
        versions="all",
        sources=("https://github.com/jundot/omlx/pull/2423",),
    ),
    "access-quiet": Explained(
        detect="Bytes that arrive on stdout or stderr of the session before the first of mlxdiag's"
        " own, at most 256 of each. No terminal is asked for, and mlx.launch asks for one: what is"
        " printed only there is not seen.",
        steps=(
            "See it: `ssh HOST true` must print nothing.",
            "Look in ~/.zshenv and /etc/zshenv (zsh), ~/.bashrc (bash), and what they read.",
            "Put what prints between `if [[ -o interactive ]]; then` and `fi`.",
        ),
        risk="None to the cluster; a shell that is open keeps its old settings.",
        survives_reboot=True,
        place="host",
        versions="all of mlx.launch up to 0.32.4",
        sources=(LAUNCH,),
    ),
    "access-shell": Explained(
        detect="SHELL in the environment of the session, which sshd takes from the account.",
        steps=(
            "See it: `dscl . -read /Users/$USER UserShell`.",
            "Change it: `chsh -s /bin/zsh`, which asks for the password.",
            "Or make an account for the cluster and name it as `user:` in the inventory.",
        ),
        risk="New terminals of this account open in the new shell.",
        survives_reboot=True,
        place="host",
        versions="all of mlx.launch up to 0.32.4",
        sources=(LAUNCH,),
    ),
}
