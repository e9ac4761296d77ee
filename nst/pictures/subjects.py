"""Masks that are found in a picture: its faces, its subject.

Faces: the cascade of local binary patterns that scikit-image ships (Liao et al., *Learning Multi-scale Block Local
Binary Patterns for Face Recognition*, ICB 2007) says where, GrabCut (Rother et al., SIGGRAPH 2004) of OpenCV
what shape the head has. The subject: U2-Net by rembg, which downloads it when it is used first. All of them are
imported when they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.errors import NSTError
from nst.pictures.masks import Mask, Masks
from nst.pictures.picture import Picture, fit_longest_side, resize, to_uint8
from nst.processes import ProcessExecutor

LONGEST = 512
"""Longest side in pixels at which is looked. All pictures come to it, since what the cascade mistakes for a face
depends on the size."""

SMALLEST = 16
"""The longest side over the side of the smallest face that is looked for. A smaller one is mostly none."""

NEIGHBOURS = 8  # how often a face must be found nearby, at other places and sizes

NEEDED = "faces are found by scikit-image and OpenCV"

Box: TypeAlias = tuple[int, int, int]
"""Left, top and side in pixels of a face from the brows to the chin."""

Pixels: TypeAlias = NDArray[np.uint8]


def faces(picture: Picture) -> Mask | None:
    """1 where heads are, hair included, 0 elsewhere; None where no face looks towards us.

    Returns:
        (h, w), of the shape of the picture and a longest side of `LONGEST`.

    Raises:
        NSTError: scikit-image or OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise NSTError(f"{NEEDED}: pip install 'nst[protect]'") from error
    pixels = _pixels(picture)
    found = _faces(pixels)
    if not found:
        return None
    heads: Mask = np.max([_head(cv2, pixels, box) for box in found], axis=0)
    return heads


def count_faces(picture: Picture) -> int:
    """How many faces look towards us; 0 where there is no memory to look, NSTError without scikit-image.

    A process of its own looks, since the memory that this takes would be gone for the painting.
    """
    looking = ProcessExecutor()
    try:
        return len(looking.submit(_faces, _pixels(picture)).result())
    except BrokenExecutor:
        return 0
    finally:
        looking.shutdown()


def _faces(pixels: Pixels) -> list[Box]:
    try:
        from skimage.data import lbp_frontal_face_cascade_filename
        from skimage.feature import Cascade
    except ImportError as error:
        raise NSTError(f"{NEEDED}: pip install 'nst[protect]'") from error
    width = pixels.shape[1]
    cascade = Cascade(lbp_frontal_face_cascade_filename())
    mirrored = [(width - left - side, top, side) for left, top, side in _boxes(cascade, pixels[:, ::-1])]
    # where there is no face, one may be seen in the mirror image too, but hardly ever at the same place
    return [
        box
        for box in _boxes(cascade, pixels)
        if any(_together(box, other, 0.3 * box[2]) for other in mirrored)
    ]


def subject(picture: Picture) -> Mask | None:
    """How much each pixel belongs to what the picture is of, 0 to 1; None where nothing stands out.

    Returns:
        (h, w), of the shape of the picture and a longest side of `LONGEST`.

    Raises:
        NSTError: rembg is not installed, or cannot get its network.
    """
    try:
        from rembg import new_session, remove
    except (ImportError, SystemExit) as error:  # it ends the process where it lacks ONNX Runtime
        raise NSTError(
            "the subject is found by rembg: pip install 'rembg[cpu]', or give a mask picture"
        ) from error
    try:
        # not what rembg takes by default, which is for research alone
        found = remove(Image.fromarray(_pixels(picture)), session=new_session("u2net"), only_mask=True)
    except Exception as error:  # of a download, of ONNX Runtime
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NSTError(f"rembg found no subject ({reason}): give a mask picture") from error
    mask = np.asarray(found.convert("L"), np.float32) / np.float32(255)
    return mask if mask.max() >= 0.5 else None


FINDERS: Mapping[str, Callable[[Picture], Mask | None]] = {"face": faces, "subject": subject}
"""What finds the mask that a word stands for."""


def with_found(masks: Masks | Mapping[str, Any] | None, content: Picture) -> Masks | Mapping[str, Any] | None:
    """Masks by name where a word of `FINDERS` in place of the picture of "protect" has become what is found.

    Where nothing is found nothing is protected, and the log has a line. NSTError: what finds it is not installed.
    """
    word = masks.get("protect") if isinstance(masks, Mapping) else None
    if not isinstance(word, str) or word not in FINDERS:
        return masks
    assert isinstance(masks, Mapping)
    found = FINDERS[word](content)
    rest = {name: mask for name, mask in masks.items() if name != "protect"}
    if found is None:
        logging.getLogger("nst").warning(
            "no %s was found in the content picture: nothing is protected; a mask picture can be given as well",
            word,
        )
        return rest
    return {**rest, "protect": found}


def _pixels(picture: Picture) -> Pixels:
    """(h, w, 3), hidden colours included."""
    small = resize(Picture(picture.rgb), *fit_longest_side(*picture.size, LONGEST))
    return to_uint8(small.rgb)


def _boxes(cascade: Any, pixels: Pixels) -> list[Box]:
    least = max(pixels.shape) // SMALLEST
    most = min(pixels.shape[:2])
    if most < least:
        return []
    found = cascade.detect_multi_scale(
        img=np.ascontiguousarray(pixels),
        scale_factor=1.1,
        step_ratio=1,
        min_size=(least, least),
        max_size=(most, most),
        min_neighbor_number=NEIGHBOURS,
    )
    return [(box["c"], box["r"], box["width"]) for box in found]


def _together(one: Box, other: Box, reach: float) -> bool:
    """Whether the middles of two boxes are less than `reach` pixels apart, both across and down."""
    return all(
        abs(a + one[2] / 2 - b - other[2] / 2) < reach for a, b in zip(one[:2], other[:2], strict=True)
    )


def _head(cv2: Any, pixels: Pixels, box: Box) -> Mask:
    """The head around a face, by its colours: from the face outwards, to the edge of another colour."""
    left, top, side = box
    rows, columns = np.ogrid[: pixels.shape[0], : pixels.shape[1]]

    def ellipse(across: float, down: float, lower: float = 0.0) -> NDArray[np.bool_]:
        """Half axes, and how far below the middle of the box, in sides of it."""
        x = (columns - left - side / 2) / (across * side)
        y = (rows - top - side / 2 - lower * side) / (down * side)
        inside: NDArray[np.bool_] = x * x + y * y <= 1
        return inside

    near = ellipse(1.6, 1.6)
    area = np.ix_(near.any(axis=1), near.any(axis=0))
    guess = np.full(pixels.shape[:2], cv2.GC_BGD, np.uint8)
    guess[ellipse(0.95, 1.15)] = cv2.GC_PR_BGD
    guess[ellipse(0.6, 0.8)] = cv2.GC_PR_FGD
    guess[ellipse(0.35, 0.5, 0.05)] = cv2.GC_FGD
    part = np.ascontiguousarray(guess[area])
    cv2.setRNGSeed(0)  # the first colours are drawn
    models = np.zeros((1, 65)), np.zeros((1, 65))
    if (part != cv2.GC_FGD).any():  # else the face fills the picture
        cv2.grabCut(
            np.ascontiguousarray(pixels[area][..., ::-1]), part, None, *models, 5, cv2.GC_INIT_WITH_MASK
        )
    shape = np.isin(part, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (side // 16) + 1,) * 2)
    shape = cv2.morphologyEx(cv2.morphologyEx(shape, cv2.MORPH_CLOSE, brush), cv2.MORPH_OPEN, brush)
    _, pieces = cv2.connectedComponents(shape)
    face = pieces[guess[area] == cv2.GC_FGD]
    mask = np.zeros(pixels.shape[:2], np.float32)
    mask[area] = pieces == np.bincount(face).argmax()
    return mask
