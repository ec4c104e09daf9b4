"""The `markledger` command, and the supervised set of the three services."""
