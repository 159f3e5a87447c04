"""Modules that the fork server imports once, without settings or connections."""

import django.apps
import django.conf
import redis.asyncio

import tests.models

__all__ = ["django", "redis", "tests"]
