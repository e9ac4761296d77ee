// Coarse to fine, as the library goes: small pictures are quick, and a step there reaches further.

/** So many steps for each of `count` sizes; the remainder goes to the coarse ones. */
export function shares(steps, count) {
  return Array.from({ length: count }, (_, i) => Math.floor(steps / count) + (i < steps % count ? 1 : 0));
}

/**
 * Where a coarse result leads to: its change of the photograph, enlarged, on top of the larger photograph, so that no detail
 * of it is lost.
 * @param {{data: Float32Array, width: number, height: number}} painted the coarse result, (3, height, width)
 * @param {Float32Array} small the photograph at that size
 * @param {{data: Float32Array, width: number, height: number}} large the photograph at the next size
 */
export function goOn(painted, small, large) {
  const { width, height } = large;
  const columns = places(width, painted.width);
  const rows = places(height, painted.height);
  const result = Float32Array.from(large.data);
  for (let channel = 0; channel < 3; channel++) {
    const from = channel * painted.width * painted.height;
    const change = (y, x) => {
      const i = from + y * painted.width + x;
      return painted.data[i] - small[i];
    };
    rows.forEach(([top, bottom, down], y) => {
      columns.forEach(([left, right, along], x) => {
        const above = (1 - along) * change(top, left) + along * change(top, right);
        const below = (1 - along) * change(bottom, left) + along * change(bottom, right);
        result[(channel * height + y) * width + x] += (1 - down) * above + down * below;
      });
    });
  }
  return result;
}

/** For each of `fine` positions its two neighbours among `coarse` ones, and how far it is from the first to the second. */
function places(fine, coarse) {
  return Array.from({ length: fine }, (_, i) => {
    const place = Math.min(Math.max(((i + 0.5) * coarse) / fine - 0.5, 0), coarse - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, coarse - 1), place - first];
  });
}
