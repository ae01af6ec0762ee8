"""Running Python that a model wrote: a subset evaluator for the simple, a locked-down interpreter for the rest."""

from lib.evaluation.sandbox.process import Limits, Outcome, Sandbox, SandboxUnavailable, agrees, guarantees, run_program
from lib.evaluation.sandbox.subset import OutsideSubset, evaluate_subset

__all__ = [
    "Limits",
    "Outcome",
    "OutsideSubset",
    "Sandbox",
    "SandboxUnavailable",
    "agrees",
    "evaluate_subset",
    "guarantees",
    "run_program",
]
