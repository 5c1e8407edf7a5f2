// The PDFs that scripts/render-pdfs.sh prints: which there are, that they open, and that they hold the CV's text.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { leaves, NOT_TEXT, plain } from './cv.mjs';
import { inkLines } from './pixels.mjs';
import { browser, ownData, run, ROOT, SHOTS, spelt, start } from './stack.mjs';

let data, pdfs, chrome;
before(async () => {
  data = ownData();
  pdfs = join(data.folder, 'pdfs');
  chrome = await browser();
  await run(join(ROOT, 'scripts/render-pdfs.sh'), [], { CV_DATA_DIR: data.folder }); // with a service of its own
});
after(async () => {
  await chrome?.close();
  data?.remove();
});

test('one for each person and language that there is, and nothing else', () => {
  assert.deepEqual(readdirSync(pdfs).sort(), ['mahsa.pdf', 'ramin.pdf', 'ramin_de.pdf', 'ramin_fa.pdf']);
});

// Words as sets of letters: the order of letters within ligatures, and of words within lines of two directions, is what
// extracting programs differ in.
const letters = (word) =>
  [...word.normalize('NFKD')]
    .filter((char) => /[\p{L}\p{N}\p{M}]/u.test(char))
    .sort()
    .join('');
const words = (text) =>
  plain(text)
    .split(/[^\p{L}\p{N}\p{M}\u200c]+/u)
    .map(letters)
    .filter((word) => word.length > 1);

for (const [file, lang, title] of [
  ['ramin', 'en', 'Ramin Abrandish – CV'],
  ['ramin_de', 'de', 'Ramin Abrandish – Lebenslauf'],
  ['ramin_fa', 'fa', 'رامین ابراندیش – رزومه'],
  ['mahsa', 'en', 'Mahsa Barankesht – CV'],
])
  test(`${file}.pdf is tagged, A4, and holds the text`, async () => {
    const pdf = join(pdfs, `${file}.pdf`);
    const info = await run('pdfinfo', [pdf]);
    assert.match(info, /^Tagged: +yes$/m);
    assert.match(info, /A4/);
    assert.equal(/^Title: +(.*)$/m.exec(info)[1].trim(), title);
    assert.match(await run('pdfinfo', ['-struct-text', pdf]), /H1[\s\S]*H2/);
    assert.doesNotMatch(await run('pdffonts', [pdf]), /Type 3/, 'fonts are fonts, not drawings');
    assert.match(readFileSync(pdf, 'latin1'), new RegExp(`/Lang \\(${lang}\\)`), 'the language is told');
    const text = await run('pdftotext', [pdf, '-']);
    const there = new Set(words(text));
    // A word may be broken at the end of a line: then its parts are there together.
    const all = plain(text).replace(/[^\p{L}\p{N}]/gu, '');
    const lost = [];
    for (const [at, key, value] of leaves(spelt(readFileSync(join(data.folder, 'cvs', `${file}.json`), 'utf8')))) {
      // Told otherwise (see cv.mjs), links, or dates in words, which the page's own tests look at.
      if (key in NOT_TEXT || ['month', 'day'].includes(key) || at.includes('/Pictures/')) continue;
      if (/^https?:|^\d{4}-\d\d(-\d\d)?$/.test(value)) continue;
      for (const word of plain(String(value)).split(/[^\p{L}\p{N}\p{M}]+/u))
        if (letters(word).length > 1 && !there.has(letters(word)) && !all.includes(word.replace(/[^\p{L}\p{N}]/gu, '')))
          lost.push(`${at}: ${word}`);
    }
    assert.deepEqual(lost, []);
    const links = readFileSync(pdf, 'latin1');
    assert.ok(links.includes('mailto:') && links.includes('/URI'), 'links work');
    const ours = (name) => new RegExp(`^pdf-${file}-\\d+\\.png$`).test(name);
    readdirSync(SHOTS)
      .filter(ours)
      .forEach((name) => rmSync(join(SHOTS, name)));
    await run('pdftoppm', ['-r', '70', '-png', pdf, join(SHOTS, `pdf-${file}`)]);
    const pages = readdirSync(SHOTS).filter(ours);
    assert.equal(pages.length, Number(/^Pages: +(\d+)/m.exec(info)[1]));
    // Beside the picture, which is taller than any line.
    const beside = lang === 'fa' ? [0.35, 1] : [0, 0.65];
    const [name] = await inkLines(chrome, readFileSync(join(SHOTS, pages.sort()[0])), ...beside);
    assert.ok(name.rows < 0.06, 'the picture is on the other side');
    assert.ok(lang === 'fa' ? name.right > 0.9 : name.left < 0.1, 'the name stands where the language begins');
  });

test('again: every file is replaced whole, and the service serves it', async () => {
  const stack = await start({ CV_DATA_DIR: data.folder });
  try {
    const inode = statSync(join(pdfs, 'ramin_fa.pdf')).ino;
    await run(join(ROOT, 'scripts/render-pdfs.sh'), ['--url', stack.base, '--out', pdfs]);
    assert.notEqual(statSync(join(pdfs, 'ramin_fa.pdf')).ino, inode);
    assert.deepEqual(
      readdirSync(pdfs).filter((name) => name.startsWith('.')),
      [],
    );
    const said = await run('curl', [
      '-sk',
      '-D',
      '-',
      '-o',
      join(data.folder, 'got.pdf'),
      `${stack.base}/api/v1/cvs/ramin/pdf/?lang=fa`,
    ]);
    assert.match(said, /content-language: fa/i);
    assert.deepEqual(readFileSync(join(data.folder, 'got.pdf')), readFileSync(join(pdfs, 'ramin_fa.pdf')));
  } finally {
    await stack.stop();
  }
});

test('what has to wait waits, and a page that fails is told at the end', async () => {
  const waiting = new Set(['/api/v1/cvs/', '/api/v1/cvs/busy/?lang=en', '/?person=busy&lang=en', '/late.png']);
  const told = (state, said) =>
    `<!doctype html><html data-state="${state}"><title>x</title><main>${said}<img src="/late.png"></main>`;
  const server = createServer(({ url, method }, answer) => {
    if (waiting.delete(url)) return answer.writeHead(429, { 'Retry-After': 1 }).end(told('error', 'Wait'));
    if (url === '/api/v1/cvs/') return answer.end('{"cvs":["broken","busy","lost","plain"]}');
    const status = url.includes('lost') ? 500 : 200;
    if (method === 'HEAD') return answer.writeHead(status, { 'Content-Language': 'en' }).end();
    answer.setHeader('Content-Type', 'text/html');
    return answer.end(url.includes('broken') ? told('error', 'Out of order') : told('ready', url));
  }).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => {
      server.once('listening', resolve);
    });
    await assert.rejects(
      run('bash', ['-c', 'cd "$1" && "$2" --url "$3" --out own', 'bash', data.folder,
        join(ROOT, 'scripts/render-pdfs.sh'), `http://127.0.0.1:${server.address().port}`]),
      /ended with 1: [\s\S]*not printed:\n {2}broken.pdf: .*Out of order\n {2}lost.pdf: .*500/,
    );
    assert.deepEqual(readdirSync(join(data.folder, 'own')).sort(), ['busy.pdf', 'plain.pdf']);
    assert.equal(waiting.size, 0);
    const words = await run('pdftotext', [join(data.folder, 'own/busy.pdf'), '-']);
    assert.match(words, /person=busy/, 'what was printed is what came after the wait');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('what cannot be printed ends with a reason', async () => {
  await assert.rejects(
    run(join(ROOT, 'scripts/render-pdfs.sh'), [], { CV_BIN_DIR: '/nowhere' }),
    /ended with 69: [\s\S]*nothing to print from\n$/,
  );
  await assert.rejects(run(join(ROOT, 'scripts/render-pdfs.sh'), ['--out', '']), /ended with 64: .*needs a value/);
  await assert.rejects(
    run(join(ROOT, 'scripts/render-pdfs.sh'), ['--url', 'https://127.0.0.1:9', '--out', pdfs]),
    /ended with 1: render-pdfs: .*refused/s,
  );
  await assert.rejects(
    run(join(ROOT, 'scripts/render-pdfs.sh'), ['--frobnicate', '1']),
    /ended with 64: unknown argument/,
  );
});
