"""One training loop for all notebooks, its objectives and schedules, and the store for what was trained."""

from lib.training.cache import Cache
from lib.training.checkpoint import read_tensors, write_tensors
from lib.training.fit import fit
from lib.training.history import History
from lib.training.objectives.language import language_modelling_loss, masked_mean
from lib.training.optimizer import adamw, parameter_groups
from lib.training.progress import progress
from lib.training.schedules import constant_schedule, cosine_schedule, linear_schedule

__all__ = [
    "Cache",
    "History",
    "adamw",
    "constant_schedule",
    "cosine_schedule",
    "fit",
    "language_modelling_loss",
    "linear_schedule",
    "masked_mean",
    "parameter_groups",
    "progress",
    "read_tensors",
    "write_tensors",
]
