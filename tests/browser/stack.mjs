// A service and nginx of their own for a test file, and a browser that tells everything which goes wrong on a page.

import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const SHOTS = process.env.CV_SHOTS ?? join(ROOT, 'build/screenshots');
mkdirSync(SHOTS, { recursive: true });

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const browser = () =>
  chromium.launch({ executablePath: process.env.CV_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** A folder with the sample data that a test may change. */
export function ownData() {
  const folder = mkdtempSync(join(tmpdir(), 'cv-browser-'));
  cpSync(join(ROOT, 'data'), folder, { recursive: true });
  mkdirSync(join(folder, 'pdfs'), { recursive: true });
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}

/** Runs a program to its end; throws what it said when it fails. */
export function run(program, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '',
      out = '';
    child.stdout.on('data', (data) => {
      out += data;
    });
    child.stderr.on('data', (data) => {
      said += data;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${program} ended with ${code}: ${said}`)),
    );
  });
}

/** The whole stack on loopback: its address, and how to end it. */
export async function start(env = {}) {
  const child = spawn(join(ROOT, 'scripts/lib/private-stack.sh'), {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => {
    child.on('close', resolve);
  });
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
  });
  const lines = createInterface({ input: child.stdout });
  const base = await Promise.race([
    new Promise((resolve) => {
      lines.on('line', (line) => {
        if (line.startsWith('ready ')) resolve(line.slice(6));
      });
    }),
    ended.then((code) => {
      throw new Error(`the stack ended with ${code}: ${said}`);
    }),
  ]);
  return {
    base,
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}

/** A page that notes messages on its console, errors, breaches of its policy and requests that go elsewhere. */
export async function open(from, base, options = {}) {
  const context = await from.newContext({
    ignoreHTTPSErrors: true,
    locale: 'en-GB',
    viewport: { width: 1200, height: 900 },
    ...options,
  });
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${base}/`)) faults.push(`elsewhere: ${request.url()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
      window.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  return {
    page,
    context,
    /** Opens an address and waits until the page says that it is ready, or has failed. */
    async go(path) {
      await page.goto(base + path);
      return this.settled();
    },
    async settled() {
      await page.waitForFunction(() => (document.documentElement.dataset.state ?? 'ready') !== 'loading');
      await page.evaluate(() => document.fonts.ready);
      return page.evaluate(() => document.documentElement.dataset.state);
    },
    /** What went wrong since it was last asked. */
    async faults() {
      return [...faults.splice(0), ...(await page.evaluate(() => window.violations)).map((text) => `policy: ${text}`)];
    },
    close: () => context.close(),
  };
}

/** JSON with its numbers as texts, in their own spelling. */
export const spelt = (text) =>
  JSON.parse(
    text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
      token.startsWith('"') ? token : `"${token}"`,
    ),
  );

/** What the API says, past the page and its browser. */
export async function ask(request, base, path) {
  const answer = await request.get(base + path);
  return { status: answer.status(), headers: answer.headers(), body: spelt(await answer.text()) };
}
