// What a page must show of a CV, found out from the API's JSON alone.

/** Digits of Persian, dashes and blanks as one; soft characters away: so that the same text reads the same. */
export const plain = (text) =>
  text
    .normalize('NFC')
    .replace(/[۰-۹]/g, (digit) => String(digit.codePointAt(0) - 0x6f0))
    .replace(/٫/g, '.')
    .replace(/[–—‑-]/g, '-')
    .replace(/[\u200b\u200c\u200e\u200f\u2066-\u2069]/g, '')
    .replace(/\s+/g, ' ')
    .trim();

/** Keys whose values need not stand on the page as text, each with its reason. */
export const NOT_TEXT = {
  type_key: 'says for whom an item is: the focus to choose',
  logo_url: 'a picture of another host, which a page that loads from its own host alone cannot show',
  countryCode: 'part of the number, which stands there as formatted; the tel: link holds it',
  number: 'part of the number, which stands there as formatted; the tel: link holds it',
  certificate: 'true or false: a badge says it in words',
};

/** Every leaf with its place: [pointer, key, value]. */
export function* leaves(value, at = '', key = '') {
  if (value === null || value === '') return;
  if (typeof value === 'object') {
    for (const [name, item] of Object.entries(value)) {
      if (name === 'type_key') continue;
      const step = name.replace(/~/g, '~0').replace(/\//g, '~1');
      yield* leaves(item, `${at}/${step}`, Array.isArray(value) ? key : name);
    }
  } else yield [at, key, value];
}

/** Every purpose an item is tagged with. */
export function purposes(value, found = new Set()) {
  if (value && typeof value === 'object')
    for (const [key, item] of Object.entries(value))
      key === 'type_key' ? item.forEach((tag) => found.add(tag)) : purposes(item, found);
  return found;
}

/** Every item (object in a list) that the page marks: its pointer, for which the page has an element of its own. */
export function items(cv) {
  const found = [];
  const list = (at, value) => Array.isArray(value) && value.forEach((_, index) => found.push(`${at}/${index}`));
  for (const key of [
    'profiles',
    'education',
    'experiences',
    'projects',
    'publications',
    'languages',
    'workshop_and_certifications',
    'references',
  ])
    list(`/${key}`, cv[key]);
  for (const key of ['languages', 'workshop_and_certifications'])
    cv[key]?.forEach((entry, index) => list(`/${key}/${index}/certifications`, entry.certifications));
  const step = (name) => name.replace(/~/g, '~0').replace(/\//g, '~1');
  for (const [category, groups] of Object.entries(cv.skills ?? {}))
    for (const [group, skills] of Object.entries(groups)) list(`/skills/${step(category)}/${step(group)}`, skills);
  return found;
}

/** What the page shows: of each marked item its text, links and dates. Runs in the browser. */
export const shown = () => {
  const of = (element) => ({
    text: `${element.innerText} ${[...element.querySelectorAll('img')].map((image) => image.alt).join(' ')}`,
    links: [...element.querySelectorAll('a')].map((link) => link.getAttribute('href')),
    dates: [...element.querySelectorAll('time')].map((time) => time.dateTime),
    visible: element.getClientRects().length > 0,
  });
  const article = document.querySelector('article');
  return {
    whole: of(article),
    items: Object.fromEntries(
      [...article.querySelectorAll('[data-at]')].map((element) => [element.dataset.at, of(element)]),
    ),
  };
};

/** What of the CV the page fails to show. */
export function missing(cv, page) {
  const lost = items(cv)
    .filter((at) => !page.items[at]?.visible)
    .map((at) => `no item for ${at}`);
  for (const place of Object.values({ ...page.items, '': page.whole })) place.plain = plain(place.text);
  for (const [at, key, value] of leaves(cv)) {
    const steps = at.split('/');
    while (steps.length && !page.items[steps.join('/')]) steps.pop();
    const place = page.items[steps.join('/')] ?? page.whole;
    if (key === 'logo_url') continue;
    if (at === '/basics/0/Pictures/0/URL') continue; // the API's copy is shown: nothing is loaded from elsewhere
    const text = String(value);
    const isLink = /^https?:/.test(text);
    const isDate = /^\d{4}-\d\d(-\d\d)?$/.test(text) && !isNaN(Date.parse(text));
    const good =
      Object.hasOwn(NOT_TEXT, key)
        ? typeof value === 'boolean' || place.links.some((link) => link?.startsWith('tel:') && link.includes(text))
        : isLink
          ? place.links.includes(new URL(text).href)
          : isDate
            ? place.dates.includes(text) && place.plain.includes(text.slice(0, 4))
            : ['year', 'month', 'day'].includes(key)
              ? place.dates.some((date) => date.split('-').map(Number).includes(Number(text)))
              : place.plain.includes(plain(text));
    if (!good) lost.push(`${at}: ${text}`);
  }
  return lost;
}
