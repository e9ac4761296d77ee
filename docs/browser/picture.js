// Pictures between a canvas, RGBA bytes, and a graph, (3, height, width) floats from 0 to 1.

/**
 * The middle of a picture that fills width x height, as floats.
 * @param {ImageBitmap} bitmap
 */
export function planes(bitmap, width, height) {
  const scale = Math.max(width / bitmap.width, height / bitmap.height);
  const [w, h] = [width / scale, height / scale];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // under what is transparent
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const count = width * height;
  const result = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < 3; channel++) {
      result[channel * count + i] = data[4 * i + channel] / 255;
    }
  }
  return result;
}

/** RGBA bytes of floats, which are cut off below 0 and above 1. */
export function bytes(floats) {
  const count = floats.length / 3;
  const result = new Uint8ClampedArray(4 * count); // rounds as well
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < 3; channel++) {
      result[4 * i + channel] = 255 * floats[channel * count + i];
    }
    result[4 * i + 3] = 255;
  }
  return result;
}

/** The size among several whose shape is nearest to that of a picture. */
export function nearestShape(sizes, width, height) {
  const off = (size) => Math.abs(Math.log(size.width / size.height) - Math.log(width / height));
  return sizes.reduce((best, size) => (off(size) < off(best) ? size : best));
}
