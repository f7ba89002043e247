"""The `train` and `perplexity` stages: one training loop for every objective, and bits per byte.

Not here: models and tokenizers (`mathlm.models`), the order of samples (`mathlm.tokens`).
"""
