"""Rewards for reinforcement learning with TRL or verl; run as it stands: needs neither of them.

In a training script: `GRPOTrainer(model=…, reward_funcs=reward_function(), train_dataset=…)` with a
column `answer` or `solution`. In verl: `custom_reward_function.path=examples/reward.py
custom_reward_function.name=compute_score`.
"""

from mathlm.grading.reward import compute_score, reward_function

reward = reward_function(policy="default", workers=2)
completions = ["So it is \\boxed{0.5}.", "The answer is 2."]
print(reward(completions=completions, answer=["\\frac{1}{2}", "3"]))
print(compute_score("gsm8k", "She pays $1,200.", "#### 1200"))
