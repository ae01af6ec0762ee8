"""The digest of what a function does: its code and everything that the code can reach."""

from lib.training.source.digest import source_digest
from lib.training.source.edits import library_edits
from lib.training.source.values import Undigestible

__all__ = ["Undigestible", "library_edits", "source_digest"]
