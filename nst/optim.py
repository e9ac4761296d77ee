"""L-BFGS and Adam over a backend's vector space, written once; the picture never leaves the device.

An optimiser turns one immutable state into the next. Its guard rails: a step that gives a non-finite value
or does not decrease the loss enough is shortened and tried again, and a state whose `stopped` is set is the
last good iterate.
"""

from nst._adam import Adam
from nst._lbfgs import LBFGS
from nst._optim_state import Optimizer, State, Stop

__all__ = ["LBFGS", "Adam", "Optimizer", "State", "Stop"]
