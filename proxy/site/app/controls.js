// What the reader chooses with: person, language, focus, colours, and the ways out to PDF and JSON.

import { cvPath, head, isName } from './api.js';
import { h } from './dom.js';
import { LANGUAGES } from './text.js';

const bar = document.querySelector('.bar');
const foot = document.querySelector('.foot');

const opensElsewhere = (event) => event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button;

/** What has failed, and what to do. */
export const reason = ({ status, message, retryAfter }, ui) =>
  status === 0
    ? [ui.say('errorOffline'), ui.say('errorOfflineText')]
    : status === 429
      ? [ui.say('error429'), ui.say('error429Text', ui.digits(retryAfter ?? 60))]
      : status
        ? [ui.say('errorOther'), ui.say('errorOtherText', [ui.digits(status), message].filter(Boolean).join(': '))]
        : [ui.say('errorOther'), ui.say('errorOwnText')];

/** Links that change the state without loading the page anew, unless they are to open elsewhere. */
const choice = (href, current, go, change, attributes, text) =>
  h(
    'a',
    {
      href,
      'aria-current': current && 'true',
      ...attributes,
      click: (event) => {
        if (opensElsewhere(event)) return;
        event.preventDefault();
        go(change);
      },
    },
    text,
  );

function whom({ people = [], more, person, lang }, ui, go) {
  const id = 'person';
  const label = h('label', { for: id }, ui.say('person'));
  const pick = (name) => name && go({ person: name, lang, focus: 'Full CV' });
  if (more) {
    // too many for a list: one types, the first ones are offered
    const field = h('input', {
      id,
      name: id,
      list: 'people',
      value: person,
      autocomplete: 'off',
      dir: 'ltr',
      'data-key': id,
    });
    return h(
      'form',
      {
        class: 'person',
        submit: (event) => {
          event.preventDefault();
          pick(field.value.trim());
        },
      },
      label,
      field,
      h(
        'datalist',
        { id: 'people' },
        people.map((name) => h('option', { value: name })),
      ),
      h('button', { class: 'button quiet' }, ui.say('show')),
    );
  }
  const names = people.includes(person) || !person ? people : [person, ...people];
  return h(
    'div',
    { class: 'person' },
    label,
    h(
      'select',
      { id, name: id, dir: 'ltr', 'data-key': id, change: (event) => pick(event.target.value) },
      names.map((name) => h('option', { value: name, selected: name === person }, name)),
    ),
  );
}

/** The way to the PDF. Whether there is one only its own address tells, so that is asked when it is wanted. */
function pdfLink({ person, lang }, ui) {
  const href = cvPath(person, lang, null, 'pdf/');
  const tell = (text) => {
    bar.querySelector('.told')?.remove();
    if (text) bar.append(h('p', { class: 'told', role: 'alert' }, text));
  };
  const click = async (event) => {
    if (opensElsewhere(event)) return;
    event.preventDefault();
    try {
      const served = (await head(href)).get('Content-Language') ?? lang;
      tell(served === lang ? '' : ui.say('fallback', ui.languageName(served), ui.languageName(lang)));
      location.assign(href); // a download: the page stays
    } catch (error) {
      tell(error.status === 404 ? ui.say('noPdf') : reason(error, ui).join('. '));
    }
  };
  return h('a', { href, type: 'application/pdf', 'data-key': 'pdf', click }, ui.say('pdf'));
}

const dark = () =>
  (document.documentElement.dataset.theme ??
    (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';

export function themeButton(text) {
  const button = h(
    'button',
    {
      type: 'button',
      class: 'theme',
      'aria-pressed': String(dark()),
      'data-key': 'theme',
      click: () => {
        const theme = dark() ? 'light' : 'dark';
        document.documentElement.dataset.theme = theme;
        button.setAttribute('aria-pressed', String(theme === 'dark'));
        try {
          localStorage.setItem('theme', theme);
        } catch {
          /* then it holds for this page alone */
        }
      },
    },
    h('span', { class: 'unseen' }, text),
    h('span', { 'aria-hidden': 'true' }, '◐'),
  );
  return button;
}

/** Draws the bar; what had the keyboard's focus has it again. */
export function controls(state, ui, address, go) {
  const { person, lang, focus, focuses, pdf } = state;
  const key = document.activeElement?.dataset?.key;
  const at = (change) => ({ person: person ?? '', lang, focus, ...change });
  const json = person && isName(person) ? cvPath(person, lang, focus === 'Full CV' ? null : focus) : null;
  bar.replaceChildren(
    h(
      'div',
      { class: 'row' },
      whom(state, ui, go),
      h(
        'nav',
        { class: 'choices', 'aria-label': ui.say('language') },
        Object.entries(LANGUAGES).map(([tag, name]) =>
          choice(
            address(at({ lang: tag })),
            tag === lang,
            go,
            at({ lang: tag }),
            { lang: tag, hreflang: tag, 'data-key': `lang-${tag}` },
            name,
          ),
        ),
      ),
      h(
        'nav',
        { class: 'ways', 'aria-label': ui.say('documents') },
        pdf ? pdfLink(state, ui) : null,
        json && h('a', { href: json, type: 'application/json', 'data-key': 'json' }, ui.say('json')),
        h('button', { type: 'button', 'data-key': 'print', click: () => print() }, ui.say('print')),
      ),
      themeButton(ui.say('dark')),
    ),
    h(
      'nav',
      { class: 'choices focus', 'aria-label': ui.say('focus') },
      h('span', { class: 'name', 'aria-hidden': 'true' }, ui.say('focus')),
      focuses.map((name) =>
        choice(
          address(at({ focus: name })),
          name === focus,
          go,
          at({ focus: name }),
          { 'data-key': `focus-${name}`, lang: ui.purpose(name) === name ? 'en' : null, dir: 'auto' },
          ui.purpose(name),
        ),
      ),
    ),
  );
  foot.replaceChildren(h('a', { href: '/docs/' }, ui.say('apiReference')));
  if (key) [...bar.querySelectorAll('[data-key]')].find((element) => element.dataset.key === key)?.focus();
}
