"""PLAN. What to ask of the server, as data; nothing here waits."""

from .operation import Flow, Notice, Operation, Script, Step

__all__ = ["Flow", "Notice", "Operation", "Script", "Step"]
