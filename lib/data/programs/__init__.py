"""A pseudocode language: syntax, interpreter, renderers, programs."""
