"""Models that judge a text: its language, its subject, its perplexity, its quality."""
