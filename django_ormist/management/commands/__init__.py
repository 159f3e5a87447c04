"""The commands: their help says what they do."""
