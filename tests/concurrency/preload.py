"""What the fork server imports once: nothing of it reads a setting or connects."""

import django.apps
import django.conf
import redis.asyncio

import tests.models

__all__ = ["django", "redis", "tests"]
