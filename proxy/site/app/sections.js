// The sections of a CV. Each entry's known fields are set where a reader expects them, all others below as terms.

import { bdi, h, joined, link, shortUrl } from './dom.js';
import { publication } from './publications.js';
import { anything, details, Fields, filled, isEmpty, isObject, scalar, time } from './values.js';

/** The entries of a list, each marked with its place in the CV; what is no object is set as it is. */
export function entries(list, at, tag, attributes, render, speaker) {
  return list.map((entry, index) => isEmpty(entry) ? null
    : h(tag, { ...attributes, 'data-at': `${at}/${index}` },
      isObject(entry) ? render(new Fields(entry), `${at}/${index}`, entry) : anything(entry, speaker)));
}

/** A line of parts with dots between those that are there. */
export const line = (className, ...parts) => {
  const shown = joined(parts, ' · ');
  return shown.length ? h('p', { class: className }, shown) : null;
};

const paragraph = (text, className) => (text === null ? null : h('p', { class: className, dir: 'auto' }, text));
const inline = (text) => (text === null ? null : bdi(text));
const address = (text, label) => (text === null ? null : link(text, label ?? bdi(shortUrl(text), 'ltr')));

/** When an entry began and ended; an end that is given as null is not reached yet. */
function period(fields, entry, speaker) {
  const open = fields.left.has('startDate') && 'endDate' in entry && entry.endDate === null;
  const [start, end] = ['startDate', 'endDate'].map((key) => {
    const text = fields.text(key);
    return text && time(text, speaker, 'short');
  });
  const last = end ?? (open ? speaker.say('present') : null);
  return start || last ? h('span', { class: 'when' }, joined([start, last], ' – ')) : null;
}

const heading = (level, text, ...more) => (text === null && !more.some(Boolean) ? null
  : h(level, { dir: 'auto' }, text ?? '', ...more));

function experiences(list, at, { speaker }) {
  return h('ol', { class: 'timeline' }, entries(list, at, 'li', null, (f) => [
    h('div', { class: 'top' }, heading('h3', f.text('role')),
      h('span', { class: 'when' }, inline(f.text('duration')) ?? '')),
    line('where', inline(f.text('institution')), inline(f.text('location'))),
    paragraph(f.text('primaryFocus'), 'lead'), paragraph(f.text('description'), 'prose'), details(f.rest(), speaker),
  ], speaker));
}

function education(list, at, { speaker }) {
  return h('ol', { class: 'timeline' }, entries(list, at, 'li', null, (f, _, entry) => {
    const study = joined([inline(f.text('studyType')), inline(f.text('area'))], speaker.comma);
    const gpa = f.take('gpa');
    f.take('logo_url'); // a picture elsewhere, which a page that loads from its own host alone cannot show
    return [
      h('div', { class: 'top' }, study.length ? h('h3', null, study) : null, period(f, entry, speaker)),
      line('where', inline(f.text('institution')), inline(f.text('location')),
        gpa === null ? null : h('span', { class: 'grade' }, `${speaker.field('gpa')} `, anything(gpa, speaker))),
      details(f.rest(), speaker),
    ];
  }, speaker));
}

function projects(list, at, { speaker }) {
  return h('ul', { class: 'cards' }, entries(list, at, 'li', null, (f) => [
    heading('h3', f.text('title')), paragraph(f.text('description'), 'prose'),
    line('links', address(f.text('url')), address(f.text('URL'))), details(f.rest(), speaker),
  ], speaker));
}

function skill(f, speaker) {
  const long = f.text('long_name');
  const short = f.text('short_name');
  return [inline(long), short === null || long?.includes(short) ? null
    : long === null ? bdi(short) : h('span', { class: 'abbr' }, ' (', bdi(short), ')'), details(f.rest(), speaker)];
}

function skillGroup(value, at, speaker) {
  return Array.isArray(value)
    ? h('ul', { class: 'run' }, entries(value, at, 'li', null, (f) => skill(f, speaker), speaker))
    : anything(value, speaker);
}

const pointer = (key) => key.replace(/~/g, '~0').replace(/\//g, '~1');

function skills(value, at, { speaker }) {
  if (Array.isArray(value)) return skillGroup(value, at, speaker);
  return filled(value).map(([category, groups]) =>
    h('div', { class: 'category' }, h('h3', { dir: 'auto' }, category), isObject(groups)
      ? h('dl', { class: 'groups' }, filled(groups)
        .map(([key, group]) => h('div', null, h('dt', { dir: 'auto' }, key),
          h('dd', null, skillGroup(group, `${at}/${pointer(category)}/${pointer(key)}`, speaker)))))
      : skillGroup(groups, `${at}/${pointer(category)}`, speaker)));
}

function certificate(f, speaker) {
  const name = f.text('name');
  const url = f.text('URL');
  const certified = typeof f.left.get('certificate') === 'boolean' ? f.take('certificate') : null;
  const date = f.text('date');
  return [
    h('span', { class: 'what', dir: 'auto' }, url === null ? name ?? '' : link(url, name ?? shortUrl(url))),
    line('meta', date && time(date, speaker, 'short'), inline(f.text('duration')), certified === null ? null
      : h('span', { class: certified ? 'badge' : 'badge quiet' }, speaker.say(certified ? 'certified' : 'attended'))),
    details(f.rest(), speaker),
  ];
}

function certifications(list, at, { speaker }) {
  return h('ul', { class: 'issuers' }, entries(list, at, 'li', null, (f, place) => {
    const given = f.left.get('certifications');
    const courses = Array.isArray(given) ? f.take('certifications') : null;
    return [heading('h3', f.text('issuer')),
      courses && h('ul', { class: 'courses' },
        entries(courses, `${place}/certifications`, 'li', null, (course) => certificate(course, speaker), speaker)),
      details(f.rest(), speaker)];
  }, speaker));
}

function languages(list, at, { speaker }) {
  return h('ul', { class: 'languages' }, entries(list, at, 'li', null, (f, place) => {
    const level = f.objects('proficiency').map((entry) => new Fields(entry));
    const tests = f.objects('certifications');
    return [
      heading('h3', f.text('language')),
      level.map((l) => [line('level', inline(l.text('level')),
        l.left.has('CEFR') ? h('span', { class: 'badge' }, inline(l.text('CEFR'))) : null, inline(l.text('status'))),
        details(l.rest(), speaker)]),
      tests.length ? h('ul', { class: 'tests' }, entries(tests, `${place}/certifications`, 'li', null, (t) => {
        const [name, url, date] = [t.text('test'), t.text('URL'), t.text('examDate')];
        return [h('p', { class: 'what' }, url === null ? inline(name) : link(url, bdi(name ?? shortUrl(url)))),
          line('meta', inline(t.text('organization')), date && time(date, speaker)), details(t.rest(), speaker)];
      }, speaker)) : null,
      details(f.rest(), speaker),
    ];
  }, speaker));
}

function references(list, at, { speaker }) {
  return h('ul', { class: 'cards people' }, entries(list, at, 'li', null, (f) => [
    heading('h3', f.text('name')), paragraph(f.text('position'), 'lead'),
    line('where', inline(f.text('department')), inline(f.text('institution')), inline(f.text('location'))),
    line('links', ...f.texts('email').map((mail) => mail && scalar(mail, speaker)),
      ...f.texts('phone').map((number) => number && telephone(number)), address(f.text('URL'))),
    details(f.rest(), speaker),
  ], speaker));
}

export const telephone = (shown, number = shown) => link(`tel:${number.replace(/[^+\d]/g, '')}`, bdi(shown, 'ltr'));

const publications = (list, at, { speaker, name }) => h('ol', { class: 'publications' },
  entries(list, at, 'li', null, (f) => publication(f, speaker, name), speaker));

const KNOWN = { experiences, education, skills, projects, publications,
  workshop_and_certifications: certifications, languages, references };

/** Every section of the CV that holds something, the known ones in a CV's usual order, others after them. */
export function sections(cv, context) {
  const own = ['basics', 'profiles'];
  const others = Object.keys(cv).filter((key) => !own.includes(key) && !Object.hasOwn(KNOWN, key));
  const shown = Object.fromEntries(filled(cv));
  return [...Object.keys(KNOWN), ...others].filter((key) => Object.hasOwn(shown, key)).map((key) => {
    const value = shown[key];
    const fits = Object.hasOwn(KNOWN, key) && (Array.isArray(value) || (key === 'skills' && isObject(value)));
    return section(key, context.speaker.section(key),
      fits ? KNOWN[key](value, `/${pointer(key)}`, context) : anything(value, context.speaker));
  });
}

export function section(key, title, ...body) {
  const id = `section-${key.replace(/[^\w-]/g, '-')}`;
  return h('section', { class: 'section', 'aria-labelledby': id, 'data-section': key },
    h('h2', { id, dir: 'auto' }, title), h('div', { class: 'body' }, ...body));
}
