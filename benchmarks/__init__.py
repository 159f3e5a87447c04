"""Figures of django_ormist beside bare redis-py: ``python -m benchmarks``."""
