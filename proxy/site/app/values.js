// Any value of a CV, set sensibly whatever it is: files are free to hold fields that no one has foreseen.

import { bdi, h, link, safeUrl, shortUrl } from './dom.js';

export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

export function isEmpty(value) {
  if (value === null || value === undefined || value === '') return true;
  return typeof value === 'object' && Object.values(value).every(isEmpty);
}

/** An entry's fields, taken one by one; rest() is what nobody has taken, so that nothing is lost. */
export class Fields {
  constructor(entry) {
    this.left = new Map(filled(entry));
  }

  /** The value as it is, or null. */
  take(key) {
    const value = this.left.get(key) ?? null;
    this.left.delete(key);
    return value;
  }

  /** The value when it is text, or null; anything else stays for rest(). */
  text(key) {
    return typeof this.left.get(key) === 'string' ? this.take(key) : null;
  }

  /** The texts of a text or a list of texts; anything else stays for rest(). */
  texts(key) {
    const value = this.left.get(key);
    const list = Array.isArray(value) ? value : [value];
    return list.every((item) => typeof item === 'string') ? [this.take(key)].flat() : [];
  }

  /** The objects of an object or a list of them; anything else stays for rest(). */
  objects(key) {
    const value = this.left.get(key);
    const list = Array.isArray(value) ? value : [value];
    return list.every(isObject) ? [this.take(key)].flat() : [];
  }

  rest() {
    const rest = Object.fromEntries(this.left);
    this.left.clear();
    return rest;
  }
}

/** An object's fields that hold something to show. type_key does not: it is what the focus is chosen by. */
export const filled = (object) => Object.entries(object)
  .filter(([key, value]) => !isEmpty(value) && !(key === 'type_key' && Array.isArray(value)));

const MAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** A date in words, for machines as it was written. */
export function time(text, speaker, month) {
  const words = speaker.date(text, month);
  return words ? h('time', { datetime: text }, words) : bdi(text);
}

/** A text, number or truth value within a line. */
export function scalar(value, speaker) {
  if (typeof value === 'boolean') return document.createTextNode(speaker.say(value ? 'yes' : 'no'));
  const text = String(value);
  if (speaker.date(text) && text.length > 4) return time(text, speaker);
  if (MAIL.test(text)) return link(`mailto:${text}`, bdi(text, 'ltr'));
  if (safeUrl(text)) return link(text, bdi(shortUrl(text), 'ltr'));
  if (/^\d+(\.\d+)?$/.test(text) && text.length < 12) return bdi(speaker.digits(text), 'ltr');
  return /^[+\d][\d\s().+-]*$/.test(text) ? bdi(text, 'ltr') : bdi(text); // numbers of telephones and books
}

const plain = (value) => !(typeof value === 'object' && value !== null);

/** Any value: scalars in line, lists of scalars as a run, everything else as nested lists. */
export function anything(value, speaker) {
  if (plain(value)) return scalar(value, speaker);
  if (!Array.isArray(value)) return details(value, speaker);
  return h('ul', { class: value.every(plain) ? 'run' : 'stack' },
    value.filter((item) => !isEmpty(item)).map((item) => h('li', null, anything(item, speaker))));
}

/** A name and its value in a list of terms; what does not fit into a line has one of its own. */
export const term = (name, ...value) => h('div',
  value.some((item) => item?.matches?.('.stack, .details')) ? { class: 'wide' } : null,
  h('dt', null, bdi(name)), h('dd', null, ...value));

/** The fields of an object that hold something, with their values set. */
export const terms = (object, speaker) =>
  filled(object).map(([key, value]) => [speaker.field(key), anything(value, speaker)]);

/** An object's fields as a list of terms. */
export function details(object, speaker) {
  const list = terms(object, speaker);
  return list.length ? h('dl', { class: 'details' }, list.map(([name, value]) => term(name, value))) : null;
}
