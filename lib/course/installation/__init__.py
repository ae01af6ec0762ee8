"""Set-up: what `lib/course/install.py` does with the machine's own Python, before any package exists.

Standard library only, and the same small modules for every way in: pip or uv, an index or a wheelhouse.
"""
