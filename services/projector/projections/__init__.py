"""Pure folds, one module per projection."""
