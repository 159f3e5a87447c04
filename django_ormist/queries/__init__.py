"""Queries as plain data: conditions, ordering and slice."""
