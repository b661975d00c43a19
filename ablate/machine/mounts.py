"""The file system that a folder is on. Only Linux tells; elsewhere nothing is known."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
NETWORK = {
    "nfs": "NFS", "nfs4": "NFS", "cifs": "CIFS", "smb3": "CIFS", "smbfs": "CIFS", "lustre": "Lustre", "gpfs": "GPFS",
    "beegfs": "BeeGFS", "ceph": "Ceph", "glusterfs": "GlusterFS", "afs": "AFS", "9p": "9p", "fuse.sshfs": "sshfs",
    "fuse.glusterfs": "GlusterFS", "fuse.ceph": "Ceph", "fuse.s3fs": "s3fs", "fuse.gcsfuse": "gcsfuse",
    "fuse.rclone": "rclone",
}  # fmt: skip
"""Type of a network file system -> its name."""
ALONE = {"nolock", "local_lock=all", "local_lock=flock", "localflock", "nobrl"}
"""Options under which a lock excludes processes of this machine only."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes:
        point: the folder where it is mounted.
        kind: its type, such as `ext4`.
        options: of the mount.
    """

    point: Path
    kind: str
    options: frozenset[str]

    @property
    def network(self) -> str | None:
        """The name of a network file system; None for a local one."""
        return NETWORK.get(self.kind)

    @property
    def has_shared_locks(self) -> bool:
        """Whether a lock also excludes other machines."""
        return not self.options & ALONE


def find_mount(path: Path) -> Mount | None:
    """The file system of a folder that exists or not; None if the system does not tell."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real, found = Path(os.path.realpath(path)), None
    for line in lines:
        _, point, kind, options, *_ = line.split(" ")
        one = Mount(Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)), kind,
                    frozenset(options.split(",")))  # fmt: skip
        # A later mount hides an earlier one at the same place.
        if real.is_relative_to(one.point) and (found is None or len(one.point.parts) >= len(found.point.parts)):
            found = one
    return found


def warn_of_network(database: Path) -> str | None:
    """What to do about a SQLite database on a network file system; None for one on a local disk."""
    mount = find_mount(database.parent)
    if mount is None or mount.network is None:
        return None
    return (
        f"the database {database} is on {mount.network} ({mount.point}), where SQLite can be slow, locked or damaged; "
        "set ABLATE_HOME to a folder on a local disk, or ABLATE_DATABASE_URL to PostgreSQL"
    )
