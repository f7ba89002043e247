"""Reward functions for reinforcement learning: the signatures that TRL and verl call.

`reward_function()` makes one for TRL's trainers (`GRPOTrainer(reward_funcs=…)`), `compute_score`
and `compute_scores` are what verl's `custom_reward_function` names. All grade whole batches, are
safe from any thread, use no signals, and answer within the time limit whatever a model writes.
Not here: the trainers; none of them is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mathlm.core.errors import UserError
from mathlm.core.records import Verdict
from mathlm.grading.verdicts import grade_all, policy_of

GOLD_COLUMNS = ("answer", "solution", "ground_truth", "gold", "target")
"""Columns of a dataset in which the gold answer is looked for, in this order."""


def reward_function(
    *, policy: str = "default", gold_column: str | None = None, workers: int = 2
) -> Callable[..., list[float | None]]:
    """A reward function for TRL: 1.0 for a right completion, 0.0 for any other.

    It is called as `f(completions=…, **columns)` with texts or chat messages; None (no reward)
    stands where the gold text holds no answer. Raises UserError for an unknown policy, and at the
    first call where no column holds gold answers.
    """
    policy_of(policy)

    def mathlm_reward(
        completions: Sequence[Any], prompts: Sequence[Any] | None = None, **columns: Any
    ) -> list[float | None]:
        golds = _golds(columns, gold_column)
        pairs = [
            (str(gold), _written(completion))
            for gold, completion in zip(golds, completions, strict=True)
        ]
        return [_reward(v) for v in grade_all(pairs, policy=policy, workers=workers)]

    return mathlm_reward


def _golds(columns: dict[str, Any], wanted: str | None) -> Sequence[Any]:
    name = wanted or next((name for name in GOLD_COLUMNS if name in columns), None)
    if name is None or name not in columns:
        looked = wanted or ", ".join(GOLD_COLUMNS)
        raise UserError(f"no column with gold answers ({looked}); there are {', '.join(columns)}")
    golds: Sequence[Any] = columns[name]
    return golds


def _written(completion: Any) -> str:
    """The text of a completion, or of the last message of a conversation that has a text."""
    if isinstance(completion, str):
        return completion
    for message in reversed(completion):
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content if isinstance(part, dict))
        if content and message.get("role", "assistant") == "assistant":
            return str(content)
    return ""


def _reward(verdict: Verdict) -> float | None:
    if verdict.status == "error" and verdict.rule == "gold":
        return None
    return float(verdict.status == "correct")


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
    **settings: Any,
) -> float:
    """The reward of one response: 1.0 or 0.0, for verl; `data_source` is the task of the policy."""
    return compute_scores([data_source], [solution_str], [ground_truth], **settings)[0]


def compute_scores(
    data_sources: Sequence[str],
    solution_strs: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[Any] | None = None,
    **settings: Any,
) -> list[float]:
    """The rewards of a batch (`reward_manager = batch`); settings: `policy`, `workers`."""
    policy, workers = settings.get("policy", "default"), int(settings.get("workers", 2))
    scores = [0.0] * len(solution_strs)
    for source in dict.fromkeys(data_sources):
        places = [place for place, name in enumerate(data_sources) if name == source]
        pairs = [(str(ground_truths[place]), solution_strs[place]) for place in places]
        verdicts = grade_all(pairs, policy=policy, task=source, workers=workers)
        for place, verdict in zip(places, verdicts, strict=True):
            scores[place] = float(verdict.status == "correct")
    return scores
