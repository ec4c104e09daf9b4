"""The benchmarks: `python -m benchmarks`; one module per claim, each prints what it measured beside its goal."""
