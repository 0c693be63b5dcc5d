"""Files that a run reads, sent to other machines by their contents."""

from __future__ import annotations

import getpass
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cosim.errors import CosimError
from cosim.results.folder import file_hash


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that a run reads, known by its content.

    Attributes:
        path: Where it is on this machine.
        sha256: Hash of its content.
    """

    path: Path
    sha256: str

    def content(self) -> bytes:
        """Return its content.

        Raises:
            CosimError: If it is no longer that of its hash, or is a folder.
        """
        if self.path.is_dir():
            raise CosimError(
                f"'{self.path}' is a folder, which is not sent to the machines of a cluster; run "
                "the study on this one"
            )
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise CosimError(f"'{self.path}' was changed while the study ran; start it again")
        return content


def unpacked(file: SentFile, content: bytes) -> Path:
    """Return a file of this machine with the content of one that was sent.

    It has the name of the one that was sent, by which formats are told apart, in a folder named
    after its hash; a later run on the same machine finds it there.
    """
    path = _store() / file.sha256 / file.path.name
    if not path.is_file() or file_hash(path) != file.sha256:
        path.parent.mkdir(exist_ok=True)
        part = path.with_name(f"{path.name}.partial-{os.getpid()}")
        part.write_bytes(content)
        part.replace(path)  # whole or not at all, whoever else unpacks it
    return path


def _store() -> Path:
    """Return this user's folder of files that were sent, which nobody else may write into."""
    store = Path(tempfile.gettempdir()) / f"cosim-files-{_user()}"
    store.mkdir(mode=0o700, exist_ok=True)
    status = store.lstat()
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        raise CosimError(f"'{store}' belongs to somebody else, or others may write into it")
    return store


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
