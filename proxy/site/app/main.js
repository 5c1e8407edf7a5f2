// The CV page: its state is the address (person, lang, focus), its data comes from the API.

import { ApiError, cvPath, exists, get } from './api.js';
import { controls } from './controls.js';
import { h } from './dom.js';
import { nameOf, profile } from './profile.js';
import { sections } from './sections.js';
import { LANGUAGES, speaker } from './text.js';

const root = document.documentElement;
const main = document.querySelector('main');
const status = document.querySelector('#status');
const FULL = 'Full CV';
const MOST = 1000; // names that are offered to choose from; any other can be typed

let running = new AbortController();
let people;
let drawn; // the query that the page shows, or is about to

/** What the address asks for; the language is the browser's where it says none. */
function asked() {
  const query = new URLSearchParams(location.search);
  const lang = query.get('lang');
  return {
    person: query.get('person'),
    lang: lang in LANGUAGES ? lang : browserLanguage,
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
  people ??= await get(`/api/v1/cvs/?limit=${MOST}`, signal).then(({ body, headers }) => ({
    list: body.cvs,
    more: headers.has('Link'),
  }));
  return people;
}

function go(change) {
  history.pushState(null, '', address(change));
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
  document.querySelector('.skip').textContent = ui.say('skip');
  const late = setTimeout(() => {
    status.textContent = ui.say('loading');
  }, 400);
  const choice = { ...state, focuses: [state.focus] };
  try {
    const known = names(signal);
    known.catch(() => {}); // whoever awaits it below sees it fail
    const person = choice.person ?? (await known).list[0];
    if (person === undefined) throw new ApiError(404, '', { none: true });
    choice.person = person;
    const full = get(cvPath(person, state.lang), signal);
    const [{ list, more }, whole, focused, pdf] = await Promise.all([
      known,
      full,
      state.focus === FULL ? full : get(cvPath(person, state.lang, state.focus), signal),
      exists(cvPath(person, state.lang, null, 'pdf/'), signal),
    ]);
    Object.assign(choice, { people: list, more });
    choice.focuses = [...purposes(whole.body).add(state.focus)];
    controls({ ...choice, pdf }, ui, address, go);
    draw(choice, focused, ui);
    done('ready', (document.title = `${title(focused.body)} – ${ui.say('cv')}`));
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (!(error instanceof ApiError)) console.error(error);
    Object.assign(choice, { people: people?.list, more: people?.more });
    controls(choice, ui, address, go);
    fail(error, choice, ui);
    done('error', (document.title = `${ui.say('cv')}: ${main.querySelector('h1').textContent}`));
  } finally {
    clearTimeout(late);
  }
  function done(result, said) {
    main.removeAttribute('aria-busy');
    status.textContent = result === 'ready' ? ui.say('shown', `${said}, ${ui.purpose(state.focus)}`) : '';
    root.dataset.state = result;
  }
}

const title = (cv) => `${nameOf(cv).first} ${nameOf(cv).last}`;

function draw({ person, lang }, { body, headers }, ui) {
  const served = headers.get('Content-Language') ?? lang;
  const own = served in LANGUAGES ? speaker(served) : ui; // the CV's frame speaks the CV's language
  const shown = sections(body, { speaker: own, name: nameOf(body) });
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
      profile(body, person, own),
      shown,
      shown.length ? null : h('p', null, own.say('empty')),
    ),
  );
}

function fail(error, { person, lang, focus, people: known }, ui) {
  const [head, text] = error.none
    ? [ui.say('noCvs'), '']
    : error.status === 0
      ? [ui.say('errorOffline'), ui.say('errorOfflineText')]
      : error.status === 404
        ? [ui.say('error404'), ui.say('error404Text')]
        : error.status === 429
          ? [ui.say('error429'), ui.say('error429Text', ui.digits(error.retryAfter ?? 60))]
          : [ui.say('errorOther'), ui.say('errorOtherText', ui.digits(error.status ?? ''), error.message)];
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
