"""Commands and scripts as plain data; nothing here waits."""

from .operation import Call, Flow, FlowItem, Operation, Script, SignalEvent

__all__ = ["Call", "Flow", "FlowItem", "Operation", "Script", "SignalEvent"]
