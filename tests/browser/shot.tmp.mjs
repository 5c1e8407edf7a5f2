import { chromium } from 'playwright-core';
const b = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox','--disable-gpu','--disable-quic','--no-first-run','--disable-background-networking','--disable-component-update','--disable-sync'] });
const base='http://127.0.0.1:9480';
for (const [name, path, opt] of JSON.parse(process.argv[2])) {
  const p = await b.newPage({ viewport: { width: opt.w ?? 1200, height: opt.h ?? 900 }, colorScheme: opt.dark ? 'dark':'light', ignoreHTTPSErrors: true });
  p.on('console', m => console.log(name, m.type(), m.text()));
  p.on('pageerror', e => console.log(name, 'ERR', e.stack));
  await p.goto(base+path);
  await p.waitForFunction(() => document.documentElement.dataset.state !== 'loading', null, {timeout: 8000}).catch(e=>console.log(String(e)));
  await p.evaluate(() => document.fonts.ready); await p.waitForLoadState('networkidle');
  await p.screenshot({ path: `/tmp/nt/${name}.png`, fullPage: opt.full ?? true });
  await p.close();
}
await b.close();
