"""Who may see: keys and their scopes, and the identities of pupils, apart from the ledger."""
