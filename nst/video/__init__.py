"""Moving pictures: one frame after the other, each near the one before it."""

from nst.video.transfer import Last, VideoTransfer, stylize_frames

__all__ = ["Last", "VideoTransfer", "stylize_frames"]
