"""Settings of the `grade` stage."""

from __future__ import annotations

from pydantic import field_validator

from mathlm.core.stage import StageConfig, extends, neutral


class GradeConfig(StageConfig):
    """Judge the completions of a solve stage under one or more policies."""

    policies: tuple[str, ...] = extends(("default",), min_length=1)
    """Names of policies (`mathlm.grading.POLICIES`), the first one being the one that counts."""
    workers: int = neutral(1, ge=1)
    """Processes for the answers that only SymPy can judge."""

    @field_validator("policies")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from mathlm.grading.policies import POLICIES

        unknown = sorted(set(names) - set(POLICIES))
        if unknown:
            raise ValueError(
                f"unknown policies {', '.join(unknown)}; there are {', '.join(POLICIES)}"
            )
        if len(set(names)) < len(names):
            raise ValueError("a policy is named twice")
        return names
