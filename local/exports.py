"""Keeps exported values as they are while another stack imports them, which ministack does at a deletion only."""

from __future__ import annotations

from .patches import replace_everywhere


def problem(stack_id: str, current: dict, new: dict, importers) -> str | None:
    """Why a stack's exports can't become the new ones, in CloudFormation's words; None when they can.

    current: all exports of the account and region by name; new: the stack's own after the update; importers: a
    function from an export's name to the names of the stacks that import it.
    """
    for name, export in sorted(new.items()):
        known = current.get(name)
        if known and known["StackId"] != stack_id:
            owner = known["StackId"].split("/")[1]
            return f"Export with name {name} is already exported by stack {owner}."
        if known and known["Value"] != export["Value"] and importers(name):
            return f"Export {name} cannot be updated as it is in use by {' and '.join(importers(name))}"
    for name, known in sorted(current.items()):
        if known["StackId"] == stack_id and name not in new and importers(name):
            return f"Export {name} cannot be deleted as it is in use by {' and '.join(importers(name))}"
    return None


def apply() -> None:
    """Adds the check to ministack's stack operations."""
    from ministack.services.cloudformation import _exports, _stacks, handlers, stacks

    original = stacks._resolve_stack_outputs

    def resolve(outputs_defs, conditions, resources, param_values, mappings, stack_name, stack_id):
        outputs, new = original(outputs_defs, conditions, resources, param_values, mappings, stack_name, stack_id)

        def importers(export):
            return sorted(name for name, other in _stacks.items()
                          if name != stack_name and not other.get("StackStatus", "").startswith("DELETE_COMPLETE")
                          and export in handlers._imported_export_names(other, name))

        found = problem(stack_id, dict(_exports.items()), new, importers)
        if found:
            raise ValueError(found)
        return outputs, new

    replace_everywhere(original, resolve)
