"""Loading, checking, extending and exporting models and tokenizers."""
