"""Rules that keep mathematical code and drop the rest, by language (AlgebraicStack)."""
