"""PLAN. What to ask of the server, as data; nothing here waits."""

from .operation import Call, Flow, Notice, Operation, Script, Step

__all__ = ["Call", "Flow", "Notice", "Operation", "Script", "Step"]
