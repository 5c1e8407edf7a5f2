// Using the page: addresses and history, the keyboard, what assistive programs are told, and what happens on failures.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { browser, open, ownData, run, ROOT, SHOTS, start } from './stack.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let chrome, stack, data;
before(async () => {
  data = ownData();
  writeFileSync(join(data.folder, 'pdfs/ramin.pdf'), '%PDF-1.4\n');
  writeFileSync(
    join(data.folder, 'cvs/tagged.json'),
    JSON.stringify({
      basics: [{ fname: 'Tagged', lname: 'Person', type_key: ['A'] }],
      projects: [{ title: 'Bridge', type_key: ['B'] }],
      publications: [{ title: 'Bridges', authors: ['Person, T.'] }],
    }),
  );
  chrome = await browser();
  await run(join(ROOT, 'scripts/collectstatic.sh'), []);
  stack = await start({ CV_DATA_DIR: data.folder });
});
after(async () => {
  await chrome?.close();
  await stack?.stop();
  data?.remove();
});

/** A page for one test; allowed are those faults that it brings about itself. */
const using = (name, work, { allowed = /$^/, ...options } = {}) =>
  test(name, async () => {
    const tab = await open(chrome, stack.base, options);
    try {
      await work(tab, tab.page);
      assert.deepEqual(
        (await tab.faults()).filter((fault) => !allowed.test(fault)),
        [],
      );
    } finally {
      await tab.close();
    }
  });
const shownName = (page) => page.locator('h1').innerText();
const query = (page) => Object.fromEntries(new URL(page.url()).searchParams);
const audit = async (page, rules = {}) => {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((options) => window.axe.run(options), rules);
  return violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .map((node) => node.target.join(' '))
        .slice(0, 5)
        .join('; ')}`,
  );
};

for (const colorScheme of ['light', 'dark'])
  for (const path of [
    '/?person=ramin&lang=en',
    '/?person=ramin&lang=de&focus=Academic',
    '/?person=ramin&lang=fa',
    '/docs/',
    '/no-such-page',
  ])
    using(
      `axe finds nothing on ${path}, ${colorScheme}`,
      async (tab, page) => {
        await tab.go(path);
        if (path === '/no-such-page') await page.screenshot({ path: join(SHOTS, `error-${colorScheme}.png`) });
        const rules = colorScheme === 'dark' ? { runOnly: ['cat.color'] } : {}; // the rest is the same
        assert.deepEqual(await audit(page, rules), []);
      },
      { colorScheme, allowed: /no-such-page/ },
    );

using(
  'axe finds nothing on a narrow screen, in another language than asked, or on a failure',
  async (tab, page) => {
    for (const path of ['/?person=ramin&lang=fa', '/?person=mahsa&lang=de', '/?person=nobody&lang=de']) {
      await tab.go(path);
      assert.deepEqual(await audit(page), [], path);
    }
  },
  { viewport: { width: 320, height: 700 }, allowed: /404/ },
);

using(
  'without an address the browser’s language and the first person are shown',
  async (tab, page) => {
    await tab.go('/');
    assert.equal(await page.getAttribute('html', 'lang'), 'de');
    assert.equal(await shownName(page), 'Mahsa Barankesht');
    assert.match(await page.title(), /Mahsa Barankesht – Lebenslauf/);
  },
  { locale: 'de-DE' },
);

using(
  'choices are in the address; back and forward go through them',
  async (tab, page) => {
    await tab.go('/?person=ramin&lang=en');
    await page.getByRole('navigation', { name: 'Focus' }).getByRole('link', { name: 'Robotics' }).click();
    await tab.settled();
    assert.deepEqual(query(page), { person: 'ramin', lang: 'en', focus: 'Robotics' });
    const robotics = await page.locator('[data-at^="/projects/"]').count();
    await page.getByRole('link', { name: 'فارسی' }).click();
    await tab.settled();
    assert.deepEqual(query(page), { person: 'ramin', lang: 'fa', focus: 'Robotics' });
    assert.equal(await shownName(page), 'رامین ابراندیش');
    await page.locator('#person').selectOption('mahsa');
    await tab.settled();
    assert.deepEqual(query(page), { person: 'mahsa', lang: 'fa' });
    await page.goBack();
    await tab.settled();
    assert.equal(await shownName(page), 'رامین ابراندیش');
    await page.goBack();
    await tab.settled();
    assert.equal(await shownName(page), 'Ramin Abrandish');
    assert.equal(await page.locator('[data-at^="/projects/"]').count(), robotics);
    assert.equal(await page.getAttribute('html', 'dir'), 'ltr');
    await page.goForward();
    await tab.settled();
    assert.equal(await page.getAttribute('html', 'dir'), 'rtl');
    await page.reload();
    await tab.settled();
    assert.deepEqual([await shownName(page), query(page).focus], ['رامین ابراندیش', 'Robotics']);
  },
);

using(
  'all can be done by keyboard, with the place always visible',
  async (tab, page) => {
    await tab.go('/?person=ramin&lang=en');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    assert.ok((await page.locator('.skip').boundingBox()).y >= 0, 'the skip link comes into sight');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'cv');
    await page.goto(`${stack.base}/?person=ramin&lang=en`);
    await tab.settled();
    const seen = [];
    for (let step = 0; step < 60; step += 1) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const element = document.activeElement;
        const style = getComputedStyle(element);
        return {
          key: element.dataset.key ?? element.getAttribute('href'),
          outlined:
            element.className === 'skip' || (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2),
        };
      });
      if (!at.key) break;
      assert.ok(at.outlined, `${at.key} is outlined`);
      seen.push(at.key);
    }
    const order = [
      'person',
      'lang-en',
      'lang-de',
      'lang-fa',
      'pdf',
      'json',
      'print',
      'theme',
      'focus-Full CV',
      'focus-Programming',
      'mailto:ramin.abrandish@example.com',
    ];
    assert.deepEqual(
      seen.filter((key) => order.includes(key)),
      order,
    );
    await page.locator('[data-key="lang-de"]').focus();
    await page.keyboard.press('Enter');
    await tab.settled();
    assert.equal(await page.getAttribute('html', 'lang'), 'de');
    assert.equal(
      await page.evaluate(() => document.activeElement.dataset.key),
      'lang-de',
      'the focus stays where it was',
    );
    await page.locator('#person').focus();
    await page.keyboard.press('ArrowUp');
    await page.waitForFunction(() => document.querySelector('h1')?.innerText === 'Mahsa Barankesht');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'person');
  },
);

using('assistive programs get landmarks, one main heading and news', async (tab, page) => {
  await tab.go('/?person=ramin&lang=en');
  for (const role of ['banner', 'main', 'contentinfo', 'article'])
    assert.equal(await page.getByRole(role).count(), 1, role);
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
  assert.match(await page.getByRole('status').innerText(), /Shown: Ramin Abrandish/);
  for (const name of ['Experience', 'Education', 'Skills', 'Publications'])
    assert.equal(await page.getByRole('region', { name, exact: true }).count(), 1, name);
  assert.equal(await page.getByRole('img', { name: 'Profile picture: Ramin Abrandish' }).count(), 1);
  let release;
  await page.route('**/api/v1/cvs/ramin/?lang=de', async (route) => {
    await new Promise((resolve) => {
      release = resolve;
    });
    await route.continue();
  });
  await page.getByRole('link', { name: 'Deutsch' }).click();
  await page.waitForFunction(() => document.querySelector('#status').textContent === 'Der Lebenslauf wird geladen');
  assert.equal(await page.getAttribute('main', 'aria-busy'), 'true');
  await page.getByRole('link', { name: 'فارسی' }).click(); // a later choice wins over one still loading
  await tab.settled();
  release();
  await page.unrouteAll({ behavior: 'wait' });
  assert.equal(await shownName(page), 'رامین ابراندیش');
  assert.equal(await page.getAttribute('main', 'aria-busy'), null);
});

using('a language that there is none of, also one named as what objects inherit', async (tab, page) => {
  for (const lang of ['xx', 'toString', 'constructor', '__proto__', '']) {
    assert.equal(await tab.go(`/?person=ramin&lang=${lang}`), 'ready', lang);
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
  }
  assert.equal(await tab.go('/?person=ramin&lang=de&focus=constructor'), 'ready');
});

using('a focus that leaves nothing of basics: the name stays', async (tab, page) => {
  assert.equal(await tab.go('/?person=tagged&lang=en&focus=B'), 'ready');
  assert.equal(await shownName(page), 'Tagged Person');
  assert.equal(await page.title(), 'Tagged Person – CV');
  assert.equal(await page.locator('[data-at^="/projects/"]').count(), 1);
  assert.equal(await page.locator('.citation strong').innerText(), 'Person, T.');
});

/** Holds answers back until it is let go. */
async function held(page, pattern) {
  let release;
  const gate = new Promise((resolve) => {
    release = resolve;
  });
  await page.route(pattern, async (route) => {
    await gate;
    await route.continue().catch(() => {});
  });
  return release;
}

using('a CV or reference that takes its time: loading is shown', async (tab, page) => {
  for (const [pattern, path, words] of [
    ['**/api/v1/cvs/ramin/?*', '/?person=ramin&lang=de', 'Der Lebenslauf wird geladen'],
    ['**/openapi.json', '/docs/', 'Loading the description'],
  ]) {
    const release = await held(page, pattern);
    await page.goto(stack.base + path);
    await page.locator('main').getByText(words).waitFor();
    assert.deepEqual(await audit(page), [], path);
    await page.screenshot({ path: join(SHOTS, `loading${path === '/docs/' ? '-docs' : ''}.png`) });
    release();
    assert.equal(await tab.settled(), 'ready');
    assert.equal(await page.locator('main').getByText(words).count(), 0);
    await page.unrouteAll({ behavior: 'wait' });
  }
});

using('the CV does not wait for the list of names', async (tab, page) => {
  const release = await held(page, '**/api/v1/cvs/?limit=*');
  assert.equal(await tab.go('/?person=ramin&lang=en'), 'ready');
  assert.deepEqual(await page.locator('#person option').allInnerTexts(), ['ramin']);
  await page.locator('[data-key="lang-de"]').focus();
  release();
  await page.locator('#person option').nth(1).waitFor({ state: 'attached' });
  assert.equal(await page.evaluate(() => document.activeElement.dataset.key), 'lang-de');
  await page.unrouteAll({ behavior: 'wait' });
});

using(
  'without the list of names the CV in the address is shown, and nothing where there is none in it',
  async (tab, page) => {
    await page.route('**/api/v1/cvs/?limit=*', (route) => route.fulfill({ status: 504, body: '' }));
    assert.equal(await tab.go('/?person=ramin&lang=en'), 'ready');
    assert.equal(await shownName(page), 'Ramin Abrandish');
    assert.equal(await tab.go('/?lang=en'), 'error');
    assert.match(await page.getByRole('alert').innerText(), /The server answered 504/);
  },
  { allowed: /status of 504/ },
);

using('what no person can be named is not asked for', async (tab, page) => {
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  for (const person of ['..', '.', 'a/b', 'ä', 'z'.repeat(51)]) {
    assert.equal(await tab.go(`/?person=${encodeURIComponent(person)}&lang=en`), 'error', person);
    assert.match(await page.getByRole('alert').innerText(), /This CV was not found/);
    assert.equal(await page.locator('[data-key="json"]').count(), 0);
    await page.getByRole('link', { name: 'Show mahsa' }).waitFor();
  }
  assert.deepEqual(
    asked.filter((url) => url.includes('/api/') && !url.includes('/api/v1/cvs/?limit=')),
    [],
  );
  assert.equal(await tab.go('/?person=&lang=en'), 'ready');
  assert.equal(await shownName(page), 'Mahsa Barankesht');
});

using(
  'a fault of the page itself is not put on the server',
  async (tab, page) => {
    await page.route('**/api/v1/cvs/ramin/?*', (route) => route.fulfill({ json: {} }));
    assert.equal(await tab.go('/?person=ramin&lang=en'), 'error');
    assert.match(await page.getByRole('alert').innerText(), /This page has a fault of its own/);
  },
  { allowed: /TypeError/ },
);

using('what is chosen again is no new step of the history', async (tab, page) => {
  await tab.go('/?lang=en&person=ramin');
  const before = await page.evaluate(() => history.length);
  for (const key of ['lang-de', 'lang-de', 'focus-Full CV', 'lang-de']) {
    await page.locator(`[data-key="${key}"]`).click();
    await tab.settled();
  }
  assert.equal(await page.evaluate(() => history.length), before + 1);
  await page.goBack();
  await tab.settled();
  assert.equal(await page.getAttribute('html', 'lang'), 'en');
});

using(
  'the PDF is asked for when it is wanted; told is when there is none, and in which other language it is',
  async (tab, page) => {
    await tab.go('/?person=ramin&lang=fa');
    const link = page.locator('[data-key="pdf"]');
    const said = page.locator('.bar').getByRole('alert');
    const fetched = async () => {
      const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
      assert.equal(download.suggestedFilename(), 'ramin_cv.pdf');
      assert.equal(readFileSync(await download.path(), 'latin1'), '%PDF-1.4\n');
    };
    await fetched();
    assert.match(await said.innerText(), /انگلیسی/);
    const json = await tab.context.request.get(
      stack.base + (await page.locator('[data-key="json"]').getAttribute('href')),
    );
    assert.equal((await json.json()).basics[0].fname, 'رامین');
    await tab.go('/?person=ramin&lang=en');
    await fetched();
    assert.equal(await said.count(), 0);
    assert.deepEqual(await tab.faults(), [], 'nothing is asked for that is not there');
    await tab.go('/?person=mahsa&lang=en');
    assert.deepEqual(await tab.faults(), []);
    await link.click();
    await said.getByText('There is no PDF of this CV yet').waitFor();
    await page.screenshot({ path: join(SHOTS, 'no-pdf.png') });
    assert.deepEqual(await audit(page), []);
    await tab.context.setOffline(true);
    await link.click();
    await said.getByText('No connection').waitFor();
  },
  { allowed: /mahsa\/pdf/ },
);

using(
  'an unknown person: said, with a way on',
  async (tab, page) => {
    assert.equal(await tab.go('/?person=nobody&lang=en'), 'error');
    await page.screenshot({ path: join(SHOTS, 'nobody.png') });
    assert.match(await page.getByRole('alert').innerText(), /This CV was not found[\s\S]*Request\s+\w{8,}/);
    await page.getByRole('link', { name: 'Show mahsa' }).click();
    assert.equal(await tab.settled(), 'ready');
  },
  { allowed: /404/ },
);

using(
  'no network: said, and shown by itself when it is back',
  async (tab, page) => {
    await tab.go('/?person=ramin&lang=en');
    await tab.context.setOffline(true);
    await page.getByRole('link', { name: 'Deutsch' }).click();
    assert.equal(await tab.settled(), 'error');
    assert.match(await page.getByRole('alert').innerText(), /Keine Verbindung/);
    await tab.context.setOffline(false);
    await page.waitForFunction(() => document.documentElement.dataset.state === 'ready');
    assert.equal(await page.getAttribute('html', 'lang'), 'de');
  },
  { allowed: /ERR_INTERNET_DISCONNECTED/ },
);

using(
  'a failing server: said with its request id, and tried again',
  async (tab, page) => {
    const body = JSON.stringify({ error: { code: 503, message: 'CV data unavailable', request_id: 'abc-123' } });
    await page.route('**/api/v1/cvs/ramin/?*', (route) =>
      route.fulfill({ status: 503, contentType: 'application/json', body }),
    );
    assert.equal(await tab.go('/?person=ramin&lang=en'), 'error');
    assert.match(await page.getByRole('alert').innerText(), /503: CV data unavailable[\s\S]*abc-123/);
    await page.unrouteAll();
    await page.route('**/api/v1/cvs/ramin/?*', (route) =>
      route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad</h1>' }),
    );
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.waitForFunction(() => document.querySelector('[role=alert]')?.innerText.includes('502'));
    await page.unrouteAll();
    await page.getByRole('button', { name: 'Try again' }).press('Enter');
    await page.waitForFunction(() => document.documentElement.dataset.state === 'ready');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'cv', 'the keyboard goes on where it was');
    assert.equal(await shownName(page), 'Ramin Abrandish');
  },
  { allowed: /status of 50[23]/ },
);

test('too many requests: how long to wait, and then it works', async () => {
  // One more in ten seconds: on a slow machine too the page asks before that.
  const limited = await start({ CV_DATA_DIR: data.folder, RATE_LIMIT: '6/m' });
  const tab = await open(chrome, limited.base);
  try {
    assert.equal(await tab.go('/?person=ramin&lang=fa'), 'ready');
    const statuses = await Promise.all(
      Array.from({ length: 90 }, () =>
        tab.context.request.get(`${limited.base}/api/v1/cvs/`).then((answer) => answer.status()),
      ),
    );
    assert.ok(statuses.includes(429), 'the limit is reached');
    await tab.page.getByRole('link', { name: 'English' }).click();
    assert.equal(await tab.settled(), 'error');
    assert.match(await tab.page.getByRole('alert').innerText(), /Too many requests\s+Please wait 10 seconds/);
    await assert.doesNotReject(async () => {
      for (const deadline = Date.now() + 60_000; (await tab.settled()) !== 'ready';) {
        assert.ok(Date.now() < deadline, 'within a minute');
        await tab.page.getByRole('button', { name: 'Try again' }).click();
      }
    });
    assert.equal(await shownName(tab.page), 'Ramin Abrandish');
    assert.deepEqual(
      (await tab.faults()).filter((fault) => !/status of 429/.test(fault)),
      [],
    );
  } finally {
    await tab.close();
    await limited.stop();
  }
});
