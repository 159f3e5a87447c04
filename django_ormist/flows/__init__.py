"""Flows: one for each method, which yields operations and returns the result."""
