"""PLAN. What to ask of the server, as data; nothing here waits."""

from .operation import Call, Flow, FlowItem, Operation, Script, SignalEvent

__all__ = ["Call", "Flow", "FlowItem", "Operation", "Script", "SignalEvent"]
