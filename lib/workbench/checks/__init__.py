"""The exercises' checkers, one module a notebook: `from lib.workbench.checks import jamba as check`.

They stand apart from the notebooks, so that a learner's cell holds the stub and one call, and the answer is not on the
screen. Each makes its own inputs, several of them at random, and needs nothing that the notebook defined.
"""
