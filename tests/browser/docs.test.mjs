// The API reference: it tells all that the description holds, and its forms send real requests.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, open, run, ROOT, SHOTS, start } from './stack.mjs';

let chrome, stack, tab, page, spec;
before(async () => {
  chrome = await browser();
  await run(join(ROOT, 'scripts/collectstatic.sh'), []);
  stack = await start();
  tab = await open(chrome, stack.base);
  page = tab.page;
  assert.equal(await tab.go('/docs/'), 'ready');
  spec = await (await tab.context.request.get(`${stack.base}/api/v1/openapi.json`)).json();
});
after(async () => {
  await chrome?.close();
  await stack?.stop();
});

const METHODS = ['get', 'head', 'options'];
const resolve = (node) =>
  node.$ref
    ? resolve(
        node.$ref
          .slice(2)
          .split('/')
          .reduce((at, key) => at[key], spec),
      )
    : node;
const flat = (text) => text.replace(/\s+/g, ' ').trim();
const operations = () =>
  Object.entries(spec.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      path,
      method,
      ...item[method],
      parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])].map(resolve),
    })),
  );

test('every operation with its parameters, responses, headers and examples', async () => {
  await page.screenshot({ path: join(SHOTS, 'docs.png') });
  await page.evaluate(() =>
    document.querySelectorAll('details').forEach((details) => {
      details.open = true;
    }),
  );
  const told = await page.evaluate(() =>
    Object.fromEntries([...document.querySelectorAll('.operation')].map((element) => [element.id, element.innerText])),
  );
  const contents = await page.locator('.contents').innerText();
  const all = operations();
  assert.ok(all.length >= 30);
  for (const operation of all) {
    const text = flat(told[operation.operationId] ?? '');
    const has = (part) => assert.ok(text.includes(flat(String(part))), `${operation.operationId}: ${part}`);
    assert.ok(contents.includes(operation.path), operation.path);
    has(operation.method.toUpperCase());
    has(operation.summary);
    for (const part of (operation.description ?? '').split('\n\n')) has(part);
    for (const [key, value] of Object.entries(resolve(operation.responses))) {
      const response = resolve(value);
      has(key);
      has(response.description);
      for (const [name, header] of Object.entries(response.headers ?? {})) {
        has(name);
        has(resolve(header).description ?? '');
      }
      for (const [type, media] of Object.entries(response.content ?? {})) {
        has(type);
        for (const example of Object.values(media.examples ?? {})) has(JSON.stringify(resolve(example).value, null, 2));
        if (media.example !== undefined) has(JSON.stringify(media.example, null, 2));
      }
    }
    for (const parameter of operation.parameters) {
      has(parameter.name);
      has(parameter.description ?? '');
    }
  }
  for (const [name, schema] of Object.entries(spec.components.schemas)) {
    const text = flat(told[`schema-${name}`] ?? '');
    for (const key of Object.keys(schema.properties ?? {})) assert.ok(text.includes(key), `${name}.${key}`);
    assert.ok(text.includes(flat(schema.description ?? name)), name);
  }
  await page.reload();
  await tab.settled();
  assert.deepEqual(await tab.faults(), []);
});

test('an address whose fragment is no text still shows the reference', async () => {
  const visit = await open(chrome, stack.base);
  assert.equal(await visit.go('/docs/#%'), 'ready');
  assert.deepEqual(await visit.faults(), []);
  await visit.close();
});

test('there are forms for what can be asked through this address alone', async () => {
  const without = await page
    .locator('.operation:has(h4):not(:has(.try)) h3')
    .evaluateAll((list) => list.map((heading) => heading.closest('.path').querySelector('h2').innerText));
  assert.deepEqual([...new Set(without)], ['/livez', '/readyz']);
  assert.ok((await page.locator('.try').count()) >= 20);
});

test('every link within the page leads somewhere', async () => {
  const lost = await page.evaluate(() =>
    [...document.querySelectorAll('a[href^="#"]')]
      .map((link) => decodeURIComponent(link.hash.slice(1)))
      .filter((id) => !document.getElementById(id)),
  );
  assert.deepEqual(lost, []);
});

/** Fills the form of an operation, sends it, and reads what is shown. */
async function send(id, values = {}) {
  const form = page.locator(`#${id} .try`);
  if (!(await form.evaluate((details) => details.open))) await form.locator('summary').click();
  for (const [name, value] of Object.entries(values)) {
    const field = form.locator(`[name="${name}"]`);
    if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
  await form.getByRole('button').click();
  await form.locator('.status').waitFor();
  const answer = form.locator('.answer');
  return {
    status: await answer.locator('.status').innerText(),
    curl: await answer.locator('.curl').innerText(),
    body: (await answer.locator('.body').count()) ? await answer.locator('.body').innerText() : null,
    headers: Object.fromEntries(
      await answer
        .locator('.headers > div')
        .evaluateAll((rows) => rows.map((row) => [row.children[0].textContent, row.children[1].textContent])),
    ),
    text: await answer.innerText(),
  };
}

test('a form sends the request; the command line does the same', async () => {
  const sent = await send('getCv', { person: 'ramin', lang: 'de', focus: 'Embedded Systems' });
  await page.screenshot({ path: join(SHOTS, 'docs-try.png') });
  assert.match(sent.status, /^200/);
  assert.equal(sent.headers['content-language'], 'de');
  assert.equal(sent.curl, `curl -i '${stack.base}/api/v1/cvs/ramin/?lang=de&focus=Embedded+Systems'`);
  const source = await (
    await tab.context.request.get(`${stack.base}/api/v1/cvs/ramin/?lang=de&focus=Embedded%20Systems`)
  ).text();
  assert.deepEqual(JSON.parse(sent.body), JSON.parse(source));
  assert.ok(
    sent.body.includes('3.50') === source.includes('3.50') && sent.body.includes('1.30') === source.includes('1.30'),
    'numbers keep their spelling',
  );
  const said = await run('bash', ['-c', `${sent.curl} -sk`]);
  assert.equal(said.slice(said.indexOf('\r\n\r\n') + 4), source);
});

test('other operations, and answers other than 200', async () => {
  const listed = await send('listCvs', { limit: '1' });
  assert.deepEqual([JSON.parse(listed.body), /rel="next"/.test(listed.headers.link)], [{ cvs: ['mahsa'] }, true]);
  assert.match((await send('listCvs', { limit: '1', 'If-None-Match': listed.headers.etag })).status, /^304/);
  assert.match((await send('headCv', { person: 'ramin' })).text, /200[\s\S]*No body: HEAD/);
  const preflight = await send('optionsCv', { person: 'ramin', 'Access-Control-Request-Method': 'GET' });
  assert.match(preflight.status, /^204/);
  assert.match(preflight.curl, /^curl -i -X OPTIONS .* -H 'Access-Control-Request-Method: GET'$/);
  const picture = operations().find(({ path, method }) => path.endsWith('/picture/') && method === 'get').operationId;
  assert.match((await send(picture, { person: 'ramin' })).headers['content-type'], /^image\/jpeg/);
  await page.waitForFunction((id) => document.querySelector(`#${id} .answer img`)?.naturalWidth > 0, picture);
  assert.deepEqual(await tab.faults(), []);
  const unknown = await send('getCv', { person: "o'brien", lang: '', focus: '' });
  assert.match(unknown.status, /^400/);
  assert.equal(JSON.parse(unknown.body).error.message, 'Invalid person');
  assert.match(await run('bash', ['-c', `${unknown.curl} -sk`]), /Invalid person/);
  for (const person of ['.', '..']) {
    await page.locator('#getCv [name="person"]').fill(person);
    await page.locator('#getCv .try button').click();
    assert.match(await page.locator('#getCv .status').innerText(), /^person: .* no address can hold them/);
    assert.equal(await page.locator('#getCv .curl').count(), 0);
  }
  await tab.context.setOffline(true);
  assert.match((await send('getIndex')).status, /No answer came/);
  await tab.context.setOffline(false);
  assert.deepEqual(
    (await tab.faults()).filter((fault) => !/status of 400|ERR_INTERNET_DISCONNECTED/.test(fault)),
    [],
  );
});
