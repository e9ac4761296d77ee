"""Films that tests make, read and listen to."""

from fractions import Fraction

import av
import numpy as np
from PIL import Image

PATCHES = np.array(
    [[[230, 30, 20], [20, 200, 40], [30, 60, 220]], [[235, 220, 30], [128, 128, 128], [200, 120, 90]]],
    np.uint8,
)
PICTURE = PATCHES.repeat(16, 0).repeat(16, 1)  # 32 x 48
BT601, BT709, UNSAID = ("ITU601", 6), ("ITU709", 1), ("ITU709", 2)  # matrix, and what the file says
TONE = 440


def film(
    path,
    times=None,
    picture=PICTURE,
    matrix=BT709,
    turn=None,
    sound=None,
    rate=25,
    range_="MPEG",
    start=0,
    aspect=None,
    sound_rate=48000,
    layout="mono",
    silence=0,
):
    """A film of `picture`, brighter from frame to frame, without loss; times in ms, silence at first in seconds."""
    times = [40 * k for k in range(5)] if times is None else times
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv444p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = matrix[1]
        context.color_range = {"MPEG": 1, "JPEG": 2}[range_]
        context.time_base = Fraction(1, 1000)
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if turn is not None:
            stream.set_display_rotation(*turn)
        tone = sound and container.add_stream(sound, rate=sound_rate, layout=layout)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(shown(number, picture)).reformat(
                format="yuv444p", dst_colorspace=matrix[0], dst_color_range=range_
            )
            frame.pts, frame.time_base = time + start, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone:
            time = np.arange(sound_rate) / sound_rate
            wave = np.sin(2 * np.pi * TONE * time) * (time >= silence) / 2
            waves = wave[None].repeat(len(av.AudioLayout(layout).channels), 0).astype(np.float32)
            for begin in range(0, sound_rate, 1024):
                data = np.ascontiguousarray(waves[:, begin : begin + 1024])
                part = av.AudioFrame.from_ndarray(data, format="fltp", layout=layout)
                part.sample_rate, part.pts, part.time_base = sound_rate, begin, Fraction(1, sound_rate)
                container.mux(tone.encode(part))
            container.mux(tone.encode())
    return path


def shown(number, picture=PICTURE):
    return (picture * (0.8 + 0.04 * number)).astype(np.uint8)


def pictures(source):
    return [np.asarray(frame).astype(int) for frame in source.frames()]


def saved(folder, count=5, picture=PICTURE):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(shown(number, picture)).save(path)
    return paths


def times_in(path):
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def sound_of(path):
    """(codec, samples, when they begin) of the sound."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        codec = container.streams.audio[0].codec_context.name
    return codec, np.concatenate([frame.to_ndarray()[0] for frame in frames]), float(frames[0].time)


def packets_of(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.dts is not None]


def pitch(samples, rate=48000):
    part = samples[2000:42000]
    return np.argmax(np.abs(np.fft.rfft(part))) * rate / len(part)
