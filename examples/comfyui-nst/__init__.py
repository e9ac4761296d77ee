"""A node for ComfyUI: pictures painted in the style of others. This folder goes into ComfyUI/custom_nodes."""

from typing import get_args

import torch
from comfy import model_management, utils
from comfy_api.latest import ComfyExtension, io
from PIL import Image

import nst
from nst.settings import ColorMode

SLOTS = range(1, 5)
EVERY = 5  # steps between two previews, each of which waits for the device


class Paint(io.ComfyNode):
    """IMAGE in, IMAGE out; what it may be told is what `nst.stylize` takes."""

    @classmethod
    def define_schema(cls):
        """What is asked for, and what comes out."""
        styles = [f"style{number}" for number in SLOTS]
        masks = [f"mask{number}" for number in SLOTS]
        return io.Schema(
            node_id="NstPaint",
            display_name="Paint in the Style of (nst)",
            category="image/stylize",
            description="Neural style transfer (Gatys et al. 2016). A batch is painted picture by picture.",
            inputs=[
                io.Image.Input("image", tooltip="What is painted."),
                io.Autogrow.Input(
                    "styles",
                    template=io.Autogrow.TemplateNames(io.Image.Input("style"), names=styles, min=1),
                    tooltip="The paintings; a batch is so many of them.",
                ),
                io.Float.Input("strength", default=0.5, min=0.0, max=1.0, step=0.05),
                io.Float.Input("stroke_size", default=1.0, min=0.25, max=4.0, step=0.05),
                io.Combo.Input(
                    "color",
                    options=list(get_args(ColorMode)),
                    default="none",
                    tooltip="Way to keep the image's own colours; none takes those of the paintings.",
                ),
                io.Int.Input(
                    "size",
                    default=1024,
                    min=0,
                    max=16384,
                    tooltip="Longest side in pixels; 0: the image's own.",
                ),
                io.Int.Input("steps", default=150, min=0, max=5000),
                io.Int.Input("seed", default=0, min=0, max=2**64 - 1, control_after_generate=True),
                io.Autogrow.Input(
                    "masks",
                    template=io.Autogrow.TemplateNames(
                        io.Mask.Input("mask", optional=True), names=masks, min=0
                    ),
                    tooltip="mask1 is where the first painting acts; a painting without a mask takes the rest.",
                ),
                io.Mask.Input("protect", optional=True, tooltip="Where the image stays as it is."),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(
        cls, image, styles, strength, stroke_size, color, size, steps, seed, masks=None, protect=None
    ):
        """Paint every picture of the batch; the button that interrupts ends it within a step."""
        regions = {f"style{name.removeprefix('mask')}": mask for name, mask in (masks or {}).items()}
        if protect is not None and protect.any():  # an image without alpha comes with a mask that is black
            regions["protect"] = protect
        paintings = [planes(picture) for batch in styles.values() for picture in batch]
        shared = {
            "backend": nst.get_backend("torch", str(model_management.get_torch_device())),
            "weights": nst.resolve_weights("auto"),
            "cache": nst.Cache(),
        }
        bar, painted = utils.ProgressBar(len(image)), []
        for number, picture in enumerate(image):
            result = nst.stylize(
                planes(picture),
                paintings,
                **shared,
                masks={
                    name: mask[min(number, len(mask) - 1)].cpu().numpy() for name, mask in regions.items()
                },
                style_strength=strength,
                style_scale=stroke_size,
                color=color,
                size=size or "content",
                steps=steps,
                seed=seed,
                progress=False,
                callback=Report(bar, number, len(image)),
            )
            painted.append(result.movedim(0, -1))
        return io.NodeOutput(torch.stack(painted))


class Report:
    """Called at each step: moves the bar of the node, shows a preview, and raises where the user interrupts."""

    def __init__(self, bar, number, pictures):
        self.bar, self.number, self.pictures = bar, number, pictures

    def __call__(self, record):
        """See `nst.stylize`."""
        model_management.throw_exception_if_processing_interrupted()
        preview = None
        if record.step % EVERY == 0:
            pixels = (record.image()[:3].movedim(0, -1) * 255).round().byte().cpu().numpy()
            preview = ("JPEG", Image.fromarray(pixels), 512)
        done, whole = self.number * record.steps + record.step, self.pictures * record.steps
        self.bar.update_absolute(done, max(whole, 1), preview)


def planes(picture):
    """(H, W, C) as ComfyUI has it, of which filters may leave [0, 1] by a little -> (C, H, W)."""
    return picture.movedim(-1, 0).clamp(0, 1)


class Extension(ComfyExtension):
    """The nodes of this folder."""

    async def get_node_list(self):
        """One."""
        return [Paint]


async def comfy_entrypoint():
    """What ComfyUI looks for."""
    return Extension()
