// How the page looks: direction in pixels, fonts, widths, colours. The screenshots stay under build/screenshots.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { inkLines } from './pixels.mjs';
import { browser, open, run, ROOT, SHOTS, start } from './stack.mjs';

let chrome, stack;
before(async () => {
  chrome = await browser();
  await run(join(ROOT, 'scripts/collectstatic.sh'), []);
  stack = await start();
});
after(async () => {
  await chrome?.close();
  await stack?.stop();
});

async function opened(path, options, work) {
  const tab = await open(chrome, stack.base, options);
  try {
    assert.equal(await tab.go(path), 'ready');
    return await work(tab.page);
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
  ])
    test(`${person} in ${lang} fits ${width} pixels`, () =>
      opened(`/?person=${person}&lang=${lang}`, { viewport: { width, height: 800 } }, async (page) => {
        await shot(page, `${person}-${lang}-${width}`);
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
