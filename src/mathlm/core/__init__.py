"""Records, errors, recipe, runs, processes, storage, n-grams: what every stage stands on."""
