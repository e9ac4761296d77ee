"""Workers who compute windows of a picture: threads, processes, or actors on a cluster."""

from nst.workers.devices import Devices

__all__ = ["Devices"]
