"""Facts become views: read in order, fold, store with the offset in one transaction."""
