"""What a large picture would take, before it is painted."""

from __future__ import annotations

from nst.cli.web.canvas import settings_above, start_file
from nst.cli.web.easel import Easel, read
from nst.cli.web.messages import Large, Plan, Planned
from nst.errors import NSTError
from nst.forecast import forecast
from nst.transfer import StyleTransfer

__all__ = ["large_transfer", "planned"]


def planned(easel: Easel, request: Plan) -> Planned:
    """The plan of a large picture; a few steps of small versions are run, for the time."""
    order = request.order
    more = settings_above(order.size, request.above)
    try:
        transfer = easel.transfer(order, easel.memory_left(), request.present, **more)
    except NSTError as error:
        return Planned(order.session, order.size, error=str(error))
    plan, (width, height) = transfer.plan, transfer.size
    named = (order.session, order.size, width, height)
    return Planned(*named, plan.peak, plan.free, plan.fits, forecast(transfer).total)


def large_transfer(easel: Easel, request: Large) -> tuple[StyleTransfer, str]:
    """A large picture set up, and the path of the picture that it starts from.

    Raises:
        NSTError: bad input, or not enough memory.
    """
    order = request.order
    init = start_file(order, read(request.present))
    memory = easel.memory_left(request.reserve)
    return easel.transfer(order, memory, init, **settings_above(order.size, request.above)), init
