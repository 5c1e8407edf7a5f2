// A publication as a reference list sets it: authors, year, title, where it appeared, and then the identifiers.

import { bdi, h, joined, link } from './dom.js';
import { anything, term, terms, time } from './values.js';

const doiLink = (doi) => link(/^10\./.test(doi) ? `https://doi.org/${encodeURI(doi)}` : doi, bdi(doi, 'ltr'));

/** 215-231 with the dash of ranges. */
const range = (text, speaker) => bdi(speaker.digits(text.replace(/(?<=\d)-(?=\d)/g, '–')), speaker.dir);

/** "14(3)" of volume and issue. */
function volume(f, speaker) {
  const [number, issue] = [f.text('volume'), f.text('issue')];
  if (number === null && issue === null) return null;
  return bdi(speaker.digits(`${number ?? ''}${issue === null ? '' : `(${issue})`}`), speaker.dir);
}

function pages(f, key, speaker) {
  const text = f.text(key);
  if (text === null) return null;
  return /^\d+$/.test(text) && key === 'pages'
    ? [range(text, speaker), ` ${speaker.say('pageCount')}`]
    : [`${speaker.say('pages')} `, range(text, speaker)];
}

const parts = (separator, ...list) => joined(list, separator);
const inline = (text) => (text === null ? null : bdi(text));

/** The person whose CV this is stands out among the authors. */
const isSelf = (author, name) => {
  const words = author.replace(/[.,،]/g, ' ').split(/\s+/);
  return words.includes(name.last) && words.some((word) => word !== name.last && word && name.first.startsWith(word));
};

/** The date, in which year, month and day are told again: they go with it when they say the same. */
function date(f, speaker) {
  const text = f.text('date');
  if (text === null) {
    const year = f.text('year');
    return year && bdi(speaker.digits(year));
  }
  const same = text.split('-').map(Number);
  ['year', 'month', 'day'].forEach((key, index) => {
    if (f.left.has(key) && Number(f.left.get(key)) === same[index]) f.take(key);
  });
  return time(text, speaker);
}

export function publication(f, speaker, name) {
  const { comma, semicolon } = speaker;
  const authors = f.texts('authors').filter(Boolean);
  const when = date(f, speaker);
  const title = f.text('title');
  const kind = parts(
    ' · ',
    ...['type', 'status'].map((key) => {
      const text = f.text(key);
      return text && h('span', { class: 'badge quiet' }, bdi(text));
    }),
  );
  const editors = f.texts('editors').filter(Boolean);
  const book = f.text('book_title');
  const chapter = parts(comma, inline(f.text('edition')), pages(f, 'chapter_pages', speaker));
  const journal = f.text('journal');
  const within = parts(
    comma,
    journal === null ? null : h('cite', null, bdi(journal)),
    journal === null ? null : volume(f, speaker),
    book === null && !editors.length
      ? null
      : [
          `${speaker.say('in')} `,
          editors.length ? [parts(semicolon, ...editors.map(inline)), ` ${speaker.say('eds')} `] : '',
          book === null ? '' : h('cite', null, bdi(book)),
        ],
    chapter.length ? chapter : null,
    pages(f, 'pages', speaker),
    inline(f.text('conference')),
    inline(f.text('degree_type')),
    inline(f.text('school')),
    inline(f.text('faculty')),
    inline(f.text('institution')),
  );
  const publisher = parts(': ', inline(f.text('place')), inline(f.text('publisher')));
  const notes = f.text('notes');
  const full = f
    .objects('authors_structured')
    .map((author) =>
      Object.values(author).every((part) => typeof part === 'string')
        ? bdi(Object.values(author).join(' '))
        : anything(author, speaker),
    );
  const doi = f.text('doi');
  const identifiers = f
    .objects('identifiers')
    .map((list) => Object.fromEntries(Object.entries(list).filter(([key, value]) => key !== 'doi' || value !== doi)));
  const shown = [
    doi === null ? null : [speaker.field('doi'), doiLink(doi)],
    ...['url', 'URL', 'repository_url'].map((key) => {
      const text = f.text(key);
      return text && [speaker.field(key), anything(text, speaker)];
    }),
    full.length ? [speaker.field('authors_structured'), parts(semicolon, ...full)] : null,
    ...[f.rest(), ...identifiers].flatMap((object) => terms(object, speaker)),
  ].filter(Boolean);
  return [
    title === null ? null : h('h3', { dir: 'auto' }, title),
    h(
      'p',
      { class: 'citation' },
      authors.length
        ? parts(
            semicolon,
            ...authors.map((author) => (isSelf(author, name) ? h('strong', null, bdi(author)) : bdi(author))),
          )
        : null,
      when ? [authors.length ? ' (' : '(', when, ')'] : null,
      authors.length || when ? '. ' : null,
      within,
      within.length ? '. ' : null,
      publisher,
      publisher.length ? '.' : null,
    ),
    notes === null ? null : h('p', { class: 'prose', dir: 'auto' }, notes),
    kind.length ? h('p', { class: 'kind' }, kind) : null,
    h(
      'dl',
      { class: 'details' },
      shown.map(([name, value]) => term(name, value)),
    ),
  ];
}
