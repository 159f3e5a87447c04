"""Benchmarks of django_ormist and bare redis-py: ``python -m benchmarks``."""
