"""Math-Verify, the library, as a policy beside ours: whether it is there.

Optional: `pip install math-verify`. Not here: the call (`peer_compare`), made in a worker.
"""

from __future__ import annotations

import importlib.util

from mathlm.core.errors import UserError


def is_installed() -> bool:
    """Whether the library can be imported."""
    return importlib.util.find_spec("math_verify") is not None


def require() -> None:
    """Raise UserError with what to do where the library is missing."""
    if not is_installed():
        raise UserError("policy math_verify needs its library: pip install math-verify")
