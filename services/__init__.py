"""The services of Markledger; `docs/architecture.md` says which room may import which."""
