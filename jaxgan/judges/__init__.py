"""Networks that judge pictures: oracles, classifiers, a reader of cartoon factors."""
