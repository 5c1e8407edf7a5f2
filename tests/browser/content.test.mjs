// Every person, language and focus: the page shows all that the API's JSON holds, and nothing goes wrong meanwhile.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { missing, purposes, shown } from './cv.mjs';
import { ask, browser, open, ownData, run, ROOT, start } from './stack.mjs';

let chrome, stack, data, tab;
before(async () => {
  data = ownData();
  // Top-level keys and fields that nobody has foreseen, and addresses that must not become links.
  writeFileSync(
    join(data.folder, 'cvs/odd.json'),
    JSON.stringify({
      basics: [
        {
          fname: 'Odd',
          lname: '<b>Case</b>',
          label: 'One label',
          email: 'odd@example.org',
          hobby: ['chess', 'tea'],
          phone: '+49 30 23125 099',
          location: { city: 'Bremen', planet: 'Earth' },
        },
        { fname: 'Second', lname: 'Entry' },
      ],
      profiles: [{ network: 'Shady', username: 'x', url: 'javascript:alert(1)' }, 'plain profile'],
      education: [
        {
          institution: 'School of Odd',
          startDate: '2020-01',
          endDate: null,
          gpa: '1,0',
          thesis: { title: 'On odd things', pages: 12 },
        },
      ],
      experiences: ['a bare line', { role: 'Data URL', url: 'data:text/html,<script>alert(1)</script>' }],
      skills: [{ long_name: 'Juggling', short_name: 'J' }, 'Whistling'],
      projects: [
        { title: '<img src=x onerror=alert(1)>', description: 'Markup & "quotes"', stars: 1250, url: 'vbscript:x' },
      ],
      publications: [{ title: 'Untyped', authors: 'One Author', date: '2021-13', pages: { from: 1, to: 2 } }],
      languages: [{ language: 'Esperanto', proficiency: 'fair' }],
      workshop_and_certifications: [{ issuer: 'Nobody', certifications: 'none yet', motto: 'later' }],
      references: [
        { name: 'R. Eference', email: 'r@example.org', phone: ['+49 30 23125 098'], knows_since: '2011-02-03' },
      ],
      awards: [{ title: 'Golden Spoon', year: 2019, jury: ['A', 'B'] }],
      volunteering: { place: 'Library', since: 2015 },
      motto: 'Onward',
      back: ['Vertebra'],
      constructor: ['Builder'],
      toString: { valueOf: 'Worth', constructor: 'Mason' },
      hasOwnProperty: '',
      // Written here as a key it would set the prototype.
      ...JSON.parse('{"__proto__": [{"isPrototypeOf": "Ancestor"}]}'),
    }),
  );
  chrome = await browser();
  await run(join(ROOT, 'scripts/collectstatic.sh'), []);
  stack = await start({ CV_DATA_DIR: data.folder });
  await run(join(ROOT, 'scripts/render-pdfs.sh'), ['--url', stack.base, '--out', join(data.folder, 'pdfs')]);
  tab = await open(chrome, stack.base);
});
after(async () => {
  await chrome?.close();
  await stack?.stop();
  data?.remove();
});

const api = (path) => ask(tab.context.request, stack.base, path);

test('every person in every language with every focus', async (t) => {
  const { cvs } = (await api('/api/v1/cvs/')).body;
  const people = cvs.filter((person) => person !== 'odd');
  assert.ok(people.length >= 2);
  for (const [person, lang] of people.flatMap((name) => ['en', 'de', 'fa'].map((tag) => [name, tag])))
    await t.test(`${person} in ${lang} with every focus`, async () => {
      const { body: full, headers } = await api(`/api/v1/cvs/${person}/?lang=${lang}`);
      const served = headers['content-language'];
      const all = ['Full CV', ...[...purposes(full)].filter((tag) => tag !== 'Full CV')];
      assert.ok(all.length > 5, 'the sample CVs have purposes');
      for (const focus of all) {
        const query = new URLSearchParams({ person, lang, ...(focus !== 'Full CV' && { focus }) });
        assert.equal(await tab.go(`/?${query}`), 'ready');
        const { body } = await api(`/api/v1/cvs/${person}/?lang=${lang}&focus=${encodeURIComponent(focus)}`);
        const page = await tab.page.evaluate(shown);
        assert.deepEqual(missing(body, page), [], `${focus}: all is shown`);
        const gone = Object.keys(page.items).filter(
          (at) =>
            at
              .split('/')
              .slice(1)
              .reduce((value, key) => value?.[key.replace(/~1/g, '/').replace(/~0/g, '~')], body) === undefined,
        );
        assert.deepEqual(gone, [], `${focus}: nothing else is shown`);
        const set = await tab.page.evaluate(() => ({
          lang: document.documentElement.lang,
          dir: document.documentElement.dir,
          cv: document.querySelector('article').lang,
          cvDir: document.querySelector('article').dir,
          fallback: document.querySelector('.fallback')?.innerText ?? '',
          focuses: [...document.querySelectorAll('.focus a')].length,
          current: document.querySelector('.focus [aria-current]').href,
        }));
        assert.deepEqual([set.lang, set.dir], [lang, lang === 'fa' ? 'rtl' : 'ltr']);
        assert.deepEqual([set.cv, set.cvDir], [served, served === 'fa' ? 'rtl' : 'ltr']);
        assert.equal(set.fallback !== '', served !== lang, 'another language than asked is told');
        assert.equal(set.focuses, all.length, 'each purpose can be chosen');
        assert.equal(new URL(set.current).searchParams.get('focus') ?? 'Full CV', focus);
      }
      assert.deepEqual(await tab.faults(), []);
    });
});

test('fields that nobody has foreseen are shown, as text', async () => {
  assert.equal(await tab.go('/?person=odd&lang=en'), 'ready');
  const { body } = await api('/api/v1/cvs/odd/');
  const page = await tab.page.evaluate(shown);
  const text = page.whole.text;
  for (const wanted of [
    '<b>Case</b>',
    'chess',
    'Earth',
    'Second',
    'plain profile',
    'a bare line',
    'On odd things',
    'Whistling',
    'Juggling',
    '1250',
    '<img src=x onerror=alert(1)>',
    'Markup & "quotes"',
    '2021-13',
    'fair',
    'none yet',
    'later',
    'Golden Spoon',
    'Library',
    'Onward',
    'One Author',
    'One label',
    'Back\nVertebra',
    'Constructor\nBuilder',
    'To string',
    'Value of\nWorth',
    'Constructor\nMason',
    'Proto\nIs prototype of\nAncestor',
  ])
    assert.ok(text.includes(wanted), `${wanted} in ${text}`);
  assert.doesNotMatch(text, /Has own property|native code/);
  assert.ok(Object.keys(body).length > 12);
  assert.deepEqual(
    page.whole.links.filter((link) => !/^(https?|mailto|tel):/.test(link)),
    [],
    'no link runs code',
  );
  assert.equal(page.whole.dates.includes('2011-02-03'), true);
  assert.deepEqual(await tab.faults(), []);
});

test('what is missing would be found', async () => {
  await tab.go('/?person=ramin&lang=en');
  const { body } = await api('/api/v1/cvs/ramin/');
  await tab.page.evaluate(() => {
    document.querySelector('[data-at="/publications/0"] .prose').remove();
    document.querySelector('[data-at="/profiles/1"] a').href = 'https://example.org/';
    document.querySelector('[data-at="/education/3"] time').dateTime = '2014-10';
    document.querySelector('[data-at="/experiences/2"]').hidden = true;
  });
  const lost = missing(body, await tab.page.evaluate(shown));
  for (const at of ['/publications/0/notes', '/profiles/1/url', '/education/3/startDate', 'no item for /experiences/2'])
    assert.ok(
      lost.some((line) => line.startsWith(at)),
      at,
    );
});

test('more people than a list can hold: the name is typed', async () => {
  const crowd = ownData();
  for (let index = 0; index < 1001; index += 1)
    writeFileSync(
      join(crowd.folder, `cvs/p${String(index).padStart(4, '0')}.json`),
      JSON.stringify({ basics: [{ fname: 'Person', lname: `Number ${index}` }] }),
    );
  const full = await start({ CV_DATA_DIR: crowd.folder });
  const visit = await open(chrome, full.base);
  try {
    assert.equal(await visit.go('/?person=mahsa&lang=en'), 'ready');
    await visit.page.locator('#people option').first().waitFor({ state: 'attached' }); // names may come after the CV
    const field = visit.page.getByLabel('Person');
    assert.equal(await field.inputValue(), 'mahsa');
    assert.equal(await visit.page.locator('#people option').count(), 1000);
    await field.fill('ramin');
    await field.press('Enter');
    await visit.page.waitForFunction(() => document.querySelector('h1').innerText === 'Ramin Abrandish');
    assert.equal(new URL(visit.page.url()).searchParams.get('person'), 'ramin');
    assert.deepEqual(await visit.faults(), []);
  } finally {
    await visit.close();
    await full.stop();
    crowd.remove();
  }
});
