"""Tokenizer, token store, mixture and packing."""
