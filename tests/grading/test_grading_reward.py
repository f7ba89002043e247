"""Reward functions, called as TRL 1.16 and verl 0.9 call them; threads and event loops."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mathlm.core.errors import UserError
from mathlm.grading.reward import compute_score, compute_scores, reward_function

TOWERS = ["5^(5^(5^5))", "9**9**9**9", "\\boxed{5^{5^{5^{5}}}}", "(100000!)!", "\ud800" * 500]


def _called_by_trl(function, completions, **columns):
    """As `GRPOTrainer._calculate_rewards` does (TRL 1.16)."""
    extra = {"trainer_state": object(), "log_extra": None, "log_metric": None}
    prompts = ["2+2?"] * len(completions)
    return function(
        prompts=prompts, completions=completions, completion_ids=[[1]] * len(completions),
        **columns, **extra,
    )  # fmt: skip


def test_trl_with_texts_and_with_conversations():
    reward = reward_function()
    texts = ["so \\boxed{4}", "The answer is 5."]
    assert _called_by_trl(reward, texts, answer=["4", "4"]) == [1.0, 0.0]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    assert _called_by_trl(reward, chats, solution=["#### 4", "#### 4"]) == [1.0, 0.0]
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": "It is 4."}]}], []]
    assert _called_by_trl(reward, parts, answer=[4, 4]) == [1.0, 0.0]
    tools = [[{"role": "assistant", "content": "It is 4."}, {"role": "tool", "content": "5"}]]
    assert _called_by_trl(reward, tools, answer=["4"]) == [1.0]


def test_no_reward_where_there_is_no_gold_answer():
    reward = reward_function(gold_column="key")
    assert _called_by_trl(reward, ["4", "4"], key=["", "4"], answer=["4", "4"]) == [None, 1.0]
    with pytest.raises(UserError, match=r"no column with gold answers \(key\)"):
        _called_by_trl(reward, ["4"], answer=["4"])
    with pytest.raises(UserError, match="no policy 'nobody'"):
        reward_function(policy="nobody")


def test_verl_one_by_one_and_in_batches():
    said = {"data_source": "gsm8k", "solution_str": "It costs $1,200.", "ground_truth": "1200"}
    assert compute_score(**said, extra_info={"split": "test"}) == 1.0
    assert compute_score(**said, extra_info=None, policy="llemma") == 0.0
    assert compute_scores(
        data_sources=["gsm8k", "math", "gsm8k"],
        solution_strs=["12", "\\boxed{\\frac12}", "13"],
        ground_truths=["12", "0.5", 12],
        extra_infos=[None, None, None],
        num_examine=0,
    ) == [1.0, 1.0, 0.0]


def test_threads_share_it_also_where_workers_are_needed():
    reward = reward_function()
    texts = ["\\boxed{\\int_0^1 2x\\,dx}", "\\boxed{1}", "\\boxed{2}"] * 4
    with ThreadPoolExecutor(4) as threads:
        batches = list(
            threads.map(lambda _: reward(completions=texts, answer=["1"] * 12), range(8))
        )
    assert batches == [[1.0, 1.0, 0.0] * 4] * 8


def test_an_event_loop_goes_on_while_answers_are_graded():
    reward = reward_function()

    async def grade_beside_a_clock():
        work = [asyncio.to_thread(reward, completions=TOWERS, answer=["5"] * 5) for _ in range(4)]
        ticks = 0
        gathered = asyncio.gather(*work)
        while not gathered.done():
            await asyncio.sleep(0.001)
            ticks += 1
        return ticks, await gathered

    ticks, rewards = asyncio.run(grade_beside_a_clock())
    assert rewards == [[0.0] * 5] * 4
    assert ticks >= 1


def test_two_hundred_towers_and_degenerate_texts_in_seconds():
    texts = [
        tower.replace("5", str(5 + n % 4)) + " " * (n % 7) for n in range(40) for tower in TOWERS
    ]
    start = time.perf_counter()
    rewards = reward_function()(completions=texts, answer=["3"] * len(texts))
    assert time.perf_counter() - start < 20
    assert rewards == [0.0] * 200
