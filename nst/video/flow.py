"""Optical flow between frames: motion, warping along it, and where it can be believed.

A flow is an array (H, W, 2), float32: the way (right, down) in pixels from each pixel of one frame to the same point
of another one. Flow comes from OpenCV (DIS: Kroeger, Timofte, Dai, Van Gool 2016); any other source will do.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nst.errors import NSTError
from nst.pictures.picture import to_uint8

Flow: TypeAlias = NDArray[np.float32]
Plane: TypeAlias = NDArray[np.float32]

_SMALLEST = 16  # DIS compares patches of 8 pixels at half the size


def dis_flow(start: NDArray[np.float32], end: NDArray[np.float32]) -> Flow:
    """The flow from one frame to another, both (H, W, 3) in [0, 1]; NSTError if OpenCV is not installed."""
    cv2 = require_opencv()
    height, width = start.shape[:2]
    down, right = max(0, _SMALLEST - height), max(0, _SMALLEST - width)
    grey = [
        cv2.copyMakeBorder(
            cv2.cvtColor(to_uint8(frame), cv2.COLOR_RGB2GRAY), 0, down, 0, right, cv2.BORDER_REPLICATE
        )
        for frame in (start, end)
    ]
    flow: Flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*grey, None)
    return flow[:height, :width]


def warp(array: NDArray[np.float32], flow: Flow, sharp: bool = False) -> NDArray[np.float32]:
    """What lies at the end of the flow: `array(p + flow(p))` at each pixel p; past the border the edge goes on.

    The array is (H, W) or (H, W, C), the flow (H, W, 2) from the frame that is wanted to the frame that is given.
    `sharp` is bicubic between pixels and kept to the range of the array, for pictures: bilinear takes the finest detail
    away, frame after frame, and the style loss fills what is empty with lines (`nst.engine.start`).
    """
    cv2 = require_opencv()
    ends = _ends(flow)
    warped: NDArray[np.float32] = cv2.remap(
        np.ascontiguousarray(array),
        np.ascontiguousarray(ends[..., 0]),
        np.ascontiguousarray(ends[..., 1]),
        cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.clip(warped, array.min(), array.max()) if sharp else warped


def confidence(back: Flow, forth: Flow) -> Plane:
    """1 where a frame can be told from the one before, 0 where it cannot; (H, W).

    It cannot where the point was hidden or outside the picture, and at the edges of motions, where flow is blurred.
    With the flow back w' (from the frame to the one before) and the flow forth w, w* = w(p + w'(p)):

        hidden:  |w* + w'|^2 > 0.01 (|w*|^2 + |w'|^2) + 0.5
        edge:    |grad u'|^2 + |grad v'|^2 > 0.01 |w'|^2 + 0.002

    Both are tests of Sundaram, Brox, Keutzer 2010 (*Dense Point Trajectories by GPU-Accelerated Large Displacement
    Optical Flow*) as Ruder, Dosovitskiy, Brox 2016 (*Artistic Style Transfer for Videos*, eqs. 5, 6) use them.
    """
    returned = warp(forth, back)
    lengths = _squared(returned) + _squared(back)
    hidden = _squared(returned + back) > 0.01 * lengths + 0.5
    slopes = sum(_squared(np.gradient(back, axis=axis)) for axis in (0, 1))
    edge = slopes > 0.01 * _squared(back) + 0.002
    height, width = back.shape[:2]
    ends = _ends(back)
    outside = ((ends < 0) | (ends > np.array([width - 1, height - 1]))).any(axis=-1)
    return (~(hidden | edge | outside)).astype(np.float32)


def require_opencv() -> Any:
    """The module `cv2`; NSTError if it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise NSTError("optical flow needs OpenCV: pip install 'nst[video]'") from error
    return cv2


def _ends(flow: Flow) -> NDArray[np.float32]:
    """The points p + flow(p), as (x, y) in pixels."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return np.stack([columns, rows], axis=-1) + flow


def _squared(vectors: NDArray[np.float32]) -> Plane:
    return np.asarray(np.square(vectors).sum(axis=-1))
