"""Files of lists that the user names: read once, under a limit, and checked by their sha256.

Published lists are not part of this project. Not here: what the lines mean (`addresses.py`,
`selectors.py`, `boilerplate.py`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from mathlm.core.errors import UserError

MAX_BYTES = 1 << 20


def read_list(path: str, sha256: str | None, setting: str) -> str:
    """The text of the file that `setting` names.

    Raises `UserError` where it cannot be read, is no UTF-8, is larger than `MAX_BYTES`, or is
    another file than the one of `sha256`.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise UserError(f"{setting}: cannot read the list {path}: {error}") from None
    if len(data) > MAX_BYTES:
        raise UserError(f"{setting}: {path} is larger than {MAX_BYTES >> 20} MiB, which is no list")
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(f"{path} is not the file that {setting}_sha256 names")
    return text.replace("\r\n", "\n").replace("\r", "\n")
