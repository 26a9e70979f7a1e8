"""The `quorate` command: one module per group of sub-commands, put together in main."""
