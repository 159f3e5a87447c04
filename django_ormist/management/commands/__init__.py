"""The commands. The help of each describes it."""
