"""The workbench's library: seven rooms, each importing only those before it.

`data` (no torch modules) -> `nn` (layers and models) -> `training` -> `evaluation` -> `bases` (recipes of the models
that ship pretrained) -> `workbench` (for notebooks) -> `course` (for `make`).
"""
