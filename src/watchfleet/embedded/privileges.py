"""PostgreSQL refuses to run as root: as root, run its programs as another user.

The user keeps one capability, to pass through folders that only root may enter (`/root`, a private
temporary folder): the data directory and the virtual environment may lie anywhere.
"""

import os
import pwd
import shutil
import sys
from pathlib import Path
from typing import Final

from watchfleet.errors import FleetError

USERS: Final = ("postgres", "nobody")


def unprivileged(command: list[str]) -> list[str]:
    """`command`, wrapped so that it runs as an ordinary user when we are root.

    Raises:
        FleetError: We are root and have no means to become another user.
    """
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if not sys.platform.startswith("linux") or setpriv is None:
        raise FleetError(
            "PostgreSQL does not run as root and `setpriv` (util-linux) is not here to become another user: "
            "run watchfleet as an ordinary user, or set DATABASE_URL"
        )
    user = _user()
    return [
        setpriv,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        *command,
    ]


def hand_over(path: Path) -> None:
    """Give `path` to the user that `unprivileged` runs commands as."""
    if os.geteuid() == 0:
        user = _user()
        os.chown(path, user.pw_uid, user.pw_gid)


def server_uid() -> int:
    """The uid that `unprivileged` runs commands as."""
    return _user().pw_uid if os.geteuid() == 0 else os.geteuid()


def _user() -> pwd.struct_passwd:
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise FleetError(f"PostgreSQL does not run as root, and no user {' or '.join(USERS)} exists here")
