// Building the page from data. Text is always set as text; nothing here parses HTML.

/** An element; null attributes and children are left out, functions are listeners. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ''));
  return element;
}

const SAFE = new Set(['http:', 'https:', 'mailto:', 'tel:']);

/** The address as a link may hold it, or null: data may name any scheme, and some run code. */
export function safeUrl(text) {
  try {
    const url = new URL(text);
    return SAFE.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** A link, or plain text where the address is not one that a link may hold. */
export function link(address, ...text) {
  const href = typeof address === 'string' ? safeUrl(address) : null;
  const outside = href && /^https?:/.test(href);
  return href ? h('a', { href, rel: outside ? 'noopener noreferrer' : null }, ...text) : h('span', null, ...text);
}

/** An address as people write it: without scheme and closing slash. */
export const shortUrl = (text) => text.replace(/^(https?:\/\/|mailto:|tel:)/, '').replace(/\/$/, '');

/** Text of any language within a line of another. */
export const bdi = (text, dir) => h('bdi', { dir }, text);

/** Puts a separator between those children that are there. */
export const joined = (children, separator) =>
  children
    .filter((child) => child !== null && child !== undefined && child !== '' && child.length !== 0)
    .flatMap((child, index) => (index ? [separator, child] : [child]));

/** What stands where nothing is drawn yet and it takes its time. */
export const loading = (text) => h('div', { class: 'notice' }, h('h1', null, `${text} …`));
