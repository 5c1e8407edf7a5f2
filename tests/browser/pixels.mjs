// Where the ink of a screenshot is, line by line. A blank page does the decoding.

/** The lines of text in a picture, or in a range of its columns: for each the leftmost and rightmost column with ink
 * and the rows it takes, as parts of width and height. */
export async function inkLines(chrome, png, from = 0, to = 1) {
  const page = await chrome.newPage();
  try {
    return await page.evaluate(
      async ([data, from, to]) => {
        const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
        const { width, height } = bitmap;
        const canvas = new OffscreenCanvas(width, height).getContext('2d');
        canvas.drawImage(bitmap, 0, 0);
        const pixels = canvas.getImageData(0, 0, width, height).data;
        const ground = pixels.slice(0, 3);
        const lines = [];
        for (let y = 0, open = null; y < height; y += 1) {
          let left = width,
            right = -1;
          for (let x = Math.floor(from * width); x < to * width; x += 1) {
            const at = (y * width + x) * 4;
            if (
              Math.abs(pixels[at] - ground[0]) +
                Math.abs(pixels[at + 1] - ground[1]) +
                Math.abs(pixels[at + 2] - ground[2]) >
              90
            ) {
              left = Math.min(left, x);
              right = x;
            }
          }
          if (right < 0) {
            open = null;
            continue;
          }
          if (!open) lines.push((open = { left: 1, right: 0, rows: 0 }));
          Object.assign(open, {
            left: Math.min(open.left, left / width),
            right: Math.max(open.right, (right + 1) / width),
            rows: open.rows + 1,
          });
        }
        return lines
          .filter(({ rows }) => rows > 5) // dots and accents that stand alone are no lines
          .map((line) => ({ ...line, rows: line.rows / height }));
      },
      [png.toString('base64'), from, to],
    );
  } finally {
    await page.close();
  }
}
