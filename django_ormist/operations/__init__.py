"""PLAN. What to ask of the server, as data; nothing here waits."""

from .operation import Call, Flow, Operation, Script, SignalEvent, Step

__all__ = ["Call", "Flow", "Operation", "Script", "SignalEvent", "Step"]
