"""One file a benchmark: its data, prompt and kind of answer."""
