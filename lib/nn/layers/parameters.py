"""Parameters that say themselves how they want to be trained."""

from __future__ import annotations

from torch import nn


class UndecayedParameter(nn.Parameter):
    """A parameter that weight decay must leave alone, whatever its shape (`lib.training.parameter_groups` asks).

    The mark belongs to the type, because `copy.deepcopy` builds a parameter anew and drops its attributes.
    """

    _no_weight_decay = True
