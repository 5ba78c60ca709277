"""mien behind the call shapes of other tools, so that moving in is a changed import: docs/migrating.md.

One module a tool, named after it. Keys, orders, value ranges and colour orders are the tool's; the answers are mien's.
"""
