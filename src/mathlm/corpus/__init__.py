"""Raw documents to a filtered, deduplicated, decontaminated corpus."""
