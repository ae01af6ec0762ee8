"""The workbench's library: five rooms, each importing only those before it.

`data` (no torch modules) -> `nn` (layers and models) -> `training` -> `evaluation` -> `workbench` (for notebooks).
"""
