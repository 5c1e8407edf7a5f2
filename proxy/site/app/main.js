// The CV page: its state is the address (person, lang, focus), its data comes from the API.

import { ApiError, cvPath, get, isName } from './api.js';
import { controls, reason } from './controls.js';
import { h, loading } from './dom.js';
import { nameOf, profile } from './profile.js';
import { sections } from './sections.js';
import { LANGUAGES, speaker } from './text.js';

const root = document.documentElement;
const main = document.querySelector('main');
const status = document.querySelector('#status');
const FULL = 'Full CV';
const MOST = 1000; // names that are offered to choose from; any other can be typed

let running = new AbortController();
let everyone;
let drawn; // the query that the page shows, or is about to
let current; // the address of what it shows, in full
let held = false; // whether the keyboard's focus was in what is drawn anew

/** What the address asks for; the language is the browser's where it says none. */
function asked() {
  const query = new URLSearchParams(location.search);
  const lang = query.get('lang');
  return {
    person: query.get('person') || null,
    lang: Object.hasOwn(LANGUAGES, lang) ? lang : browserLanguage,
    focus: query.get('focus') || FULL,
  };
}
const browserLanguage = root.lang; // boot.js has looked
const address = ({ person, lang, focus }) =>
  `/?${new URLSearchParams({ person, lang, ...(focus !== FULL && { focus }) })}`;

/** Every purpose that some item of the CV is tagged with, in the order they first come. */
function purposes(value, found = new Set([FULL])) {
  if (Array.isArray(value)) value.forEach((item) => purposes(item, found));
  else if (value && typeof value === 'object')
    for (const [key, item] of Object.entries(value)) {
      if (key === 'type_key' && Array.isArray(item))
        item.filter((tag) => typeof tag === 'string' && tag).forEach((tag) => found.add(tag));
      else purposes(item, found);
    }
  return found;
}

async function names(signal) {
  everyone ??= await get(`/api/v1/cvs/?limit=${MOST}`, signal).then(({ body, headers }) => ({
    people: body.cvs,
    more: headers.has('Link'),
  }));
  return everyone;
}

function go(change) {
  if (address(change) !== current) history.pushState(null, '', address(change));
  show();
}

/** Draws what the address asks for. */
async function show() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const state = asked();
  drawn = location.search;
  const ui = speaker(state.lang);
  Object.assign(root, { lang: ui.lang, dir: ui.dir });
  root.dataset.state = 'loading';
  main.setAttribute('aria-busy', 'true');
  held ||= main.contains(document.activeElement);
  document.querySelector('.skip').textContent = ui.say('skip');
  const late = setTimeout(() => {
    status.textContent = ui.say('loading');
    if (!main.querySelector('article')) main.replaceChildren(loading(ui.say('loading')));
  }, 400);
  const choice = { ...state, focuses: [state.focus] };
  const known = names(signal);
  // Without them the person in the address can still be shown, and is the only one to choose.
  const named = known.then((all) => Object.assign(choice, all), () => {});
  try {
    const person = choice.person ?? (await known).people[0];
    if (person === undefined) throw new ApiError(404, '', { none: true });
    choice.person = person;
    current = address(choice);
    if (!isName(person)) throw new ApiError(404, '');
    const full = get(cvPath(person, state.lang), signal);
    const [whole, focused] = await Promise.all([
      full,
      state.focus === FULL ? full : get(cvPath(person, state.lang, state.focus), signal),
    ]);
    choice.focuses = [...purposes(whole.body).add(state.focus)];
    const name = nameOf(whole.body);
    draw(choice, focused, name, ui);
    choice.pdf = true;
    controls(choice, ui, address, go);
    done('ready', (document.title = `${name.first} ${name.last} – ${ui.say('cv')}`));
  } catch (error) {
    if (error.status === 404) await named; // for a way on
    if (signal.aborted) return;
    if (!(error instanceof ApiError)) console.error(error);
    controls(choice, ui, address, go);
    fail(error, choice, ui);
    done('error', (document.title = `${ui.say('cv')}: ${main.querySelector('h1').textContent}`));
  } finally {
    clearTimeout(late);
  }
  if (choice.people) return;
  await named;
  if (choice.people && !signal.aborted) controls(choice, ui, address, go);
  function done(result, said) {
    if (held && document.activeElement === document.body) main.focus();
    held = false;
    main.removeAttribute('aria-busy');
    status.textContent = result === 'ready' ? ui.say('shown', `${said}, ${ui.purpose(state.focus)}`) : '';
    root.dataset.state = result;
  }
}

function draw({ person, lang }, { body, headers }, name, ui) {
  const served = headers.get('Content-Language') ?? lang;
  const own = Object.hasOwn(LANGUAGES, served) ? speaker(served) : ui; // the CV's frame speaks the CV's language
  const shown = sections(body, { speaker: own, name });
  main.replaceChildren(
    ...(served === lang
      ? []
      : [
          h(
            'p',
            { class: 'fallback', lang: ui.lang, dir: ui.dir },
            ui.say('fallback', ui.languageName(served), ui.languageName(lang)),
          ),
        ]),
    h(
      'article',
      { class: 'cv', lang: own.lang, dir: own.dir },
      profile(body, name, person, own),
      shown,
      shown.length ? null : h('p', null, own.say('empty')),
    ),
  );
}

function fail(error, { person, lang, focus, people: known }, ui) {
  const [head, text] = error.none
    ? [ui.say('noCvs'), '']
    : error.status === 404
      ? [ui.say('error404'), ui.say('error404Text')]
      : reason(error, ui);
  const other = known?.find((name) => name !== person);
  main.replaceChildren(
    h(
      'div',
      { class: 'notice failure', role: 'alert' },
      h('h1', null, head),
      text && h('p', null, text),
      h(
        'p',
        null,
        h('button', { type: 'button', class: 'button', click: show }, ui.say('retry')),
        ' ',
        error.status === 404 && other
          ? h('a', { class: 'button quiet', href: address({ person: other, lang, focus }) }, ui.say('back', other))
          : null,
      ),
      error.requestId
        ? h('p', { class: 'small' }, `${ui.say('request')} `, h('code', { dir: 'ltr' }, error.requestId))
        : null,
    ),
  );
}

addEventListener('popstate', () => {
  if (location.search !== drawn) show();
}); // a jump within the page changes the hash alone
addEventListener('online', () => {
  if (root.dataset.state === 'error') show();
});
show();
