"""Real servers for the tests: found or installed, started, killed, stopped, started again."""
