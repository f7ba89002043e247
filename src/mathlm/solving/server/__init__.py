"""The local engine as an OpenAI-compatible server."""
