// How the page looks: direction in pixels, fonts, widths, colours. The screenshots stay under build/screenshots.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { inkLines } from './pixels.mjs';
import { browser, open, ownData, run, ROOT, SHOTS, start } from './stack.mjs';

const WORD = 'Rechtsschutzversicherungsgesellschaftsangestellte';
const MAIL = 'maximiliane-friederike.schmidt-wolfenbuettelstein@example.org';
const URL = `https://repository.example.org/${'abcdefghij'.repeat(6)}`;
const LONG = 'n'.repeat(50); // as long as a name may be
let chrome, stack, data;
before(async () => {
  data = ownData();
  const tag = 'Softwareentwicklungsprojektmanagement';
  // Nothing fits a narrow line, and there is no picture; a heading has more lines than its section.
  const ugly = {
    basics: [{ fname: 'Maximiliane-Friederike', lname: WORD, label: [WORD], email: MAIL, summary: `${WORD} ${URL}` }],
    profiles: [{ network: WORD, username: 'u', url: URL }],
    education: [{ institution: WORD, area: WORD, studyType: WORD, gpa: '1.0', startDate: '2020-01' }],
    experiences: [{ role: WORD, institution: WORD, duration: WORD, location: WORD, description: URL, type_key: [tag] }],
    skills: { [WORD]: { [WORD]: [{ short_name: 'x', long_name: WORD }] } },
    projects: [{ title: WORD, description: WORD, url: URL }],
    publications: [{ title: WORD, authors: [WORD], journal: WORD, doi: `10.1000/${WORD}`, url: URL, notes: URL }],
    languages: [{ language: WORD, proficiency: { level: WORD, CEFR: 'C1' }, certifications: [{ test: WORD }] }],
    workshop_and_certifications: [{ issuer: WORD, certifications: [{ name: WORD, duration: WORD }, { name: URL }] }],
    references: [{ name: WORD, position: WORD, email: MAIL, phone: '1' }],
    courses_taken_elsewhere_before_the_studies_began_in_another_country: 'One',
    prizes_won_together_with_others_while_the_studies_went_on: 'Two',
    [WORD]: 'Three',
  };
  writeFileSync(join(data.folder, `cvs/${LONG}.json`), JSON.stringify(ugly));
  chrome = await browser();
  await run(join(ROOT, 'scripts/collectstatic.sh'), []);
  stack = await start({ CV_DATA_DIR: data.folder });
});
after(async () => {
  await chrome?.close();
  await stack?.stop();
  data?.remove();
});

async function opened(path, options, work) {
  const tab = await open(chrome, stack.base, options);
  try {
    assert.equal(await tab.go(path), 'ready');
    await work(tab.page);
    assert.deepEqual(await tab.faults(), []);
  } finally {
    await tab.close();
  }
}

const box = (page, selector) => page.locator(selector).first().boundingBox();
const shot = (page, name, more = {}) => page.screenshot({ path: join(SHOTS, `${name}.png`), ...more });

for (const [lang, rtl] of [
  ['en', false],
  ['de', false],
  ['fa', true],
])
  test(`${lang}: ink and layout begin at the ${rtl ? 'right' : 'left'}`, () =>
    opened(`/?person=ramin&lang=${lang}`, {}, async (page) => {
      await shot(page, `ramin-${lang}`, { fullPage: true });
      for (const selector of [
        '.summary',
        '[data-at="/experiences/0"] .prose',
        '[data-at="/references/0"] .where',
        'h1',
      ]) {
        const lines = await inkLines(chrome, await page.locator(selector).first().screenshot());
        assert.ok(lines.length >= 1, `${selector} has ink`);
        for (const { left, right } of lines)
          assert.ok(
            rtl ? right > 0.97 : left < 0.03,
            `${selector}: a line's ink is from ${left} to ${right} of the width`,
          );
        const last = lines.at(-1);
        if (last.right - last.left < 0.9)
          assert.ok(
            rtl ? last.left > 0.05 : last.right < 0.95,
            `${selector}: the last line ends short of the other side`,
          );
      }
      const [name, portrait, heading, body, dot, entry] = await Promise.all(
        ['h1', '.portrait', '.section h2', '.section .body', '.timeline', '.timeline .prose'].map((selector) =>
          box(page, selector),
        ),
      );
      const before = (a, b) => (rtl ? a.x > b.x : a.x < b.x);
      assert.ok(before(name, portrait), 'the name comes before the picture');
      assert.ok(
        rtl ? heading.x > body.x + body.width - 1 : heading.x + heading.width < body.x + 1,
        'headings stand before their sections',
      );
      assert.ok(
        rtl ? entry.x + entry.width < dot.x + dot.width - 10 : entry.x > dot.x + 10,
        'the line of time runs before the entries',
      );
      const when = await box(page, '.timeline .when');
      assert.ok(rtl ? when.x < name.x : when.x > name.x, 'dates stand at the end of the line');
    }));

test('Persian is joined and set in the font that comes with the page, Latin in its own', () =>
  opened('/?person=ramin&lang=fa', {}, async (page) => {
    const client = await page.context().newCDPSession(page);
    await client.send('DOM.enable');
    await client.send('CSS.enable');
    const { root } = await client.send('DOM.getDocument');
    const fonts = async (selector) => {
      const { nodeId } = await client.send('DOM.querySelector', { nodeId: root.nodeId, selector });
      return (await client.send('CSS.getPlatformFontsForNode', { nodeId })).fonts;
    };
    for (const [selector, family] of [
      ['.summary', 'Noto Sans Arabic'],
      ['h1', 'Noto Sans Arabic'],
      ['.contact a bdi', 'Inter'],
    ]) {
      const used = (await fonts(selector)).sort((a, b) => b.glyphCount - a.glyphCount);
      assert.match(used[0].familyName, new RegExp(family), selector);
      assert.deepEqual(
        used.filter((font) => !font.isCustomFont),
        [],
        `${selector}: no font of this machine`,
      );
    }
    const [joined, apart] = await page.evaluate(() =>
      ['سلام', 'س\u200cل\u200cا\u200cم'].map((text) => {
        const span = document.createElement('span');
        span.textContent = text;
        document.querySelector('.summary').append(span);
        return span.getBoundingClientRect().width;
      }),
    );
    assert.ok(joined < apart * 0.95, `letters join: ${joined} against ${apart} apart`);
    const phone = await page.locator('a[href^="tel:"] bdi').first();
    assert.equal(await phone.getAttribute('dir'), 'ltr', 'a number is not turned around');
  }));

for (const width of [320, 768, 1600])
  for (const [lang, person] of [
    ['en', 'ramin'],
    ['de', 'ramin'],
    ['fa', 'ramin'],
    ['en', 'mahsa'],
    ['en', LONG],
    ['fa&focus=Softwareentwicklungsprojektmanagement', LONG],
  ])
    test(`${person} in ${lang} fits ${width} pixels`, () =>
      opened(`/?person=${person}&lang=${lang}`, { viewport: { width, height: 800 } }, async (page) => {
        await shot(page, `${person === LONG ? 'long' : person}-${lang.slice(0, 2)}-${width}`);
        const wide = await page.evaluate(() =>
          [...document.querySelectorAll('body *')]
            .filter((element) => {
              const { left, right, width: w } = element.getBoundingClientRect();
              return w > 1 && !element.closest('.unseen, .skip') && (left < -1 || right > innerWidth + 1);
            })
            .map((element) => `${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}`),
        );
        assert.deepEqual(wide, []);
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
      }));

test('on a narrow screen the name is first: below the picture, or without one', async () => {
  for (const person of ['ramin', LONG])
    await opened(`/?person=${person}&lang=en`, { viewport: { width: 320, height: 800 } }, async (page) => {
      const found = page.locator('.portrait, h1, .contact');
      const tops = await found.evaluateAll((list) =>
        list
          .map((element) => [element.getBoundingClientRect().top, element.className || element.tagName])
          .sort(([a], [b]) => a - b)
          .map(([, name]) => name),
      );
      assert.deepEqual(tops, person === LONG ? ['H1', 'contact'] : ['portrait', 'H1', 'contact']);
    });
});

test('on paper no heading reaches into the next section', () =>
  opened(`/?person=${LONG}&lang=en`, { viewport: { width: 673, height: 900 } }, async (page) => {
    await page.emulateMedia({ media: 'print' });
    await shot(page, 'long-headings-print', { fullPage: true });
    const sections = await page.locator('.section').evaluateAll((list) =>
      list.map((section) => {
        const [all, heading, body] = [section, ...section.children].map((element) => element.getBoundingClientRect());
        return {
          below: heading.bottom - all.bottom,
          beside: body.left - heading.right,
          aside: heading.left - all.left,
          offset: Math.abs(heading.top - body.top),
        };
      }),
    );
    assert.ok(sections.length > 10);
    for (const { below, beside, aside, offset } of sections)
      assert.ok(below <= 0 && beside > 5 && Math.abs(aside) < 1 && offset < 1, JSON.stringify(sections));
  }));

test('the reference fits 320 pixels', () =>
  opened('/docs/', { viewport: { width: 320, height: 800 } }, async (page) => {
    await shot(page, 'docs-320');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  }));

test('dark as the system says, the other way by the button, and so the next time', () =>
  opened('/?person=ramin&lang=en', { colorScheme: 'dark' }, async (page) => {
    const light = () =>
      page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.querySelector('.cv')).backgroundColor)[0]) > 128);
    await shot(page, 'ramin-dark');
    assert.equal(await light(), false);
    const button = page.getByRole('button', { name: 'Dark colours' });
    assert.equal(await button.getAttribute('aria-pressed'), 'true');
    await button.click();
    assert.equal(await light(), true);
    assert.equal(await button.getAttribute('aria-pressed'), 'false');
    await page.reload();
    await page.waitForSelector('article');
    assert.equal(await light(), true);
  }));

test('on paper there is the sheet alone, in ink', () =>
  opened('/?person=ramin&lang=de', { colorScheme: 'dark' }, async (page) => {
    await page.emulateMedia({ media: 'print' });
    await shot(page, 'ramin-de-print');
    for (const selector of ['.bar', '.foot', '.skip'])
      assert.equal(await page.locator(selector).isVisible(), false, selector);
    assert.equal(await page.locator('h1').isVisible(), true);
    assert.match(
      await page.evaluate(() => getComputedStyle(document.querySelector('.cv')).backgroundColor),
      /rgb\(255, 255, 255\)/,
    );
  }));
