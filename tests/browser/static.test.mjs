// The collected static files, as scripts/collectstatic.sh leaves them and as nginx serves them.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { run, ROOT, start } from './stack.mjs';

const script = join(ROOT, 'scripts/collectstatic.sh');
let folder, out, manifest, stack;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cv-static-'));
  out = join(folder, 'site');
  await run(script, ['--out', out]);
  manifest = JSON.parse(readFileSync(join(out, 'static/manifest.json')));
  await run(script, []);
  stack = await start();
});
after(async () => {
  await stack?.stop();
  rmSync(folder, { recursive: true });
});

const hash = (name, algorithm, coding) =>
  createHash(algorithm)
    .update(readFileSync(join(out, 'static', name)))
    .digest(coding);

test('names hold the hash of the content', () => {
  const names = Object.entries(manifest.paths);
  assert.ok(names.length >= 11);
  for (const [name, hashed] of names) {
    const [, stem, digest, extension] = /^(.*)\.([0-9a-f]{12})\.(\w+)$/.exec(hashed);
    assert.equal(`${stem}.${extension}`, name);
    assert.equal(hash(hashed, 'sha256', 'hex').slice(0, 12), digest);
    assert.equal(manifest.integrity[name], `sha384-${hash(hashed, 'sha384', 'base64')}`);
  }
});

test('pages and styles refer to hashed names, scripts and styles with their integrity', () => {
  for (const page of ['index.html', 'docs/index.html', 'error.html']) {
    const text = readFileSync(join(out, page), 'utf8');
    const used = [...text.matchAll(/<(\w+) [^>]*"\/static\/([^"]+)"[^>]*>/g)];
    assert.ok(used.length >= 3, page);
    for (const [tag, element, hashed] of used) {
      const name = Object.keys(manifest.paths).find((key) => manifest.paths[key] === hashed);
      assert.ok(name, `${page}: ${hashed} is in the manifest`);
      if (element === 'script' || tag.includes('stylesheet'))
        assert.ok(tag.includes(`integrity="${manifest.integrity[name]}"`), tag);
    }
    assert.doesNotMatch(text, /<script>|<style|style=|onclick=/, 'nothing inline');
  }
  const fonts = [
    ...readFileSync(join(out, 'static', manifest.paths['cv.css']), 'utf8').matchAll(/url\(([^)]+)\)/g),
  ].map(([, url]) => url.replace(/"/g, ''));
  assert.equal(fonts.length, 5);
  for (const font of fonts) assert.ok(existsSync(join(out, 'static', font)), font);
});

test('compressed copies hold the same and are smaller; what nginx fills in has none', () => {
  let copies = 0;
  const walk = (at) =>
    readdirSync(at, { withFileTypes: true }).forEach((entry) => {
      const path = join(at, entry.name);
      if (entry.isDirectory()) return walk(path);
      const unpack = { '.gz': gunzipSync, '.br': brotliDecompressSync }[path.slice(-3)];
      if (!unpack) return undefined;
      copies += 1;
      assert.deepEqual(unpack(readFileSync(path)), readFileSync(path.slice(0, -3)), path);
      assert.ok(statSync(path).size < statSync(path.slice(0, -3)).size, path);
      return undefined;
    });
  walk(out);
  assert.ok(copies >= 14);
  assert.equal(existsSync(join(out, 'error.html.br')), false);
  assert.equal(existsSync(join(out, 'index.html.br')), true);
});

test('again: nothing is built anew; the same names; what was there before stays for open pages', async () => {
  const inode = statSync(out).ino;
  await run(script, ['--out', out]);
  assert.equal(statSync(out).ino, inode);
  const other = join(folder, 'other');
  // A build of other content before this one.
  cpSync(out, other, { recursive: true });
  writeFileSync(join(other, 'static/old.0123456789ab.js'), 'old');
  writeFileSync(join(other, 'static/left.0123456789ab.js'), 'not of that build');
  writeFileSync(
    join(other, 'static/manifest.json'),
    JSON.stringify({ paths: { 'old.js': 'old.0123456789ab.js' }, inputs: 'other' }),
  );
  await run(script, ['--out', other]);
  assert.equal(existsSync(join(other, 'static/old.0123456789ab.js')), true);
  assert.equal(existsSync(join(other, 'static/left.0123456789ab.js')), false);
  assert.deepEqual(JSON.parse(readFileSync(join(other, 'static/manifest.json'))), manifest);
  assert.deepEqual(readdirSync(folder).sort(), ['other', 'site'], 'nothing is left beside');
});

test('a build that fails leaves what is there', async () => {
  const before = readFileSync(join(out, 'static/manifest.json'), 'utf8');
  await assert.rejects(
    run('/usr/bin/python3', [join(ROOT, 'scripts/lib/collectstatic.py'), join(folder, 'nowhere'), out]),
    /collectstatic: .*nowhere/,
  );
  assert.equal(readFileSync(join(out, 'static/manifest.json'), 'utf8'), before);
  assert.deepEqual(readdirSync(folder).sort(), ['other', 'site']);
});

test('a folder that holds something else is left alone; a relative one is meant from where one stands', async () => {
  const home = mkdtempSync(join(tmpdir(), 'cv-home-'));
  const from = (at, arg) => run('bash', ['-c', 'cd "$1" && "$2" --out "$3"', 'bash', at, script, arg]);
  try {
    writeFileSync(join(home, 'letter'), 'dear');
    await assert.rejects(from(home, ''), /ended with 64: .*no folder/);
    for (const arg of ['.', home, 'letter'])
      await assert.rejects(from(home, arg), /ended with 1: collectstatic: .*would be lost/);
    mkdirSync(join(home, 'theirs/static'), { recursive: true });
    writeFileSync(join(home, 'theirs/static/manifest.json'), '{"paths":{}}');
    await assert.rejects(from(home, 'theirs'), /would be lost/, 'the manifest of another program');
    await from(home, 'new/site');
    assert.deepEqual(JSON.parse(readFileSync(join(home, 'new/site/static/manifest.json'))), manifest);
    assert.equal(readFileSync(join(home, 'letter'), 'utf8'), 'dear');
  } finally {
    rmSync(home, { recursive: true });
  }
  const collect = join(ROOT, 'scripts/lib/collectstatic.py');
  await assert.rejects(run('/usr/bin/python3', [collect, 'proxy/site', '']), /ended with 64/);
});

test('built anew when a file is gone, another has moved or the tools are others', async () => {
  for (const lost of ['docs/index.html', `static/${manifest.paths['cv.js']}`, `static/${manifest.paths['cv.js']}.br`]) {
    rmSync(join(out, lost));
    await run(script, ['--out', out]);
    assert.ok(existsSync(join(out, lost)), lost);
  }
  const tools = mkdtempSync(join(tmpdir(), 'cv-tools-'));
  try {
    const inputs = () => JSON.parse(readFileSync(join(tools, 'site/static/manifest.json'))).inputs;
    const collect = (env) =>
      run(
        '/usr/bin/python3',
        [join(ROOT, 'scripts/lib/collectstatic.py'), join(tools, 'source'), join(tools, 'site')],
        env,
      );
    cpSync(join(ROOT, 'proxy/site'), join(tools, 'source'), { recursive: true });
    writeFileSync(join(tools, 'source/app/note'), '');
    await collect();
    const first = inputs();
    renameSync(join(tools, 'source/app/note'), join(tools, 'source/style/note'));
    await collect();
    const second = inputs();
    assert.notEqual(second, first);
    writeFileSync(
      join(tools, 'esbuild'),
      `#!/bin/sh\n[ "$1" != --version ] || exec echo 99\nPATH='${process.env.PATH}' exec esbuild "$@"\n`,
      { mode: 0o755 },
    );
    await collect({ PATH: `${tools}:${process.env.PATH}` });
    assert.notEqual(inputs(), second);
  } finally {
    rmSync(tools, { recursive: true });
  }
});

test('nginx serves them for good, pages to be asked again, each compressed', async () => {
  const head = async (path, coding) =>
    (
      await run('curl', ['-sk', '-o', '/dev/null', '-D', '-', '-H', `Accept-Encoding: ${coding}`, stack.base + path])
    ).toLowerCase();
  for (const coding of ['br', 'gzip']) {
    const script = await head(`/static/${manifest.paths['cv.js']}`, coding);
    assert.match(script, /^http\/2 200/);
    assert.match(script, /cache-control: public, max-age=31536000, immutable/);
    assert.match(script, new RegExp(`content-encoding: ${coding}`));
    for (const page of ['/', '/docs/']) {
      const answer = await head(page, coding);
      assert.match(answer, /cache-control: no-cache/);
      assert.match(answer, new RegExp(`content-encoding: ${coding}`));
      assert.match(answer, /etag:/);
    }
  }
  const font = await head(`/static/${manifest.paths['inter-regular.woff2']}`, 'br');
  assert.match(font, /content-type: font\/woff2/);
  const error = await run('curl', ['-sk', '-i', `${stack.base}/nothing`]);
  assert.match(error, /^HTTP\/2 404/);
  assert.match(error, /<h1>Not found<\/h1>/);
  const id = /x-request-id: (\w+)/i.exec(error)[1];
  assert.ok(error.includes(`<code>${id}</code>`), 'the page tells the request id of the header');
});
