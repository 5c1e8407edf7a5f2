// The head of a CV: picture, name, occupations, how to reach the person, and the summary.

import { bdi, h, joined, link, shortUrl } from './dom.js';
import { section, telephone } from './sections.js';
import { anything, details, Fields, isEmpty, isObject, scalar, term, time } from './values.js';

function phone(f, speaker) {
  const value = f.take('phone');
  if (value === null) return null;
  if (typeof value === 'string') return term(speaker.field('phone'), telephone(value));
  if (!isObject(value)) return term(speaker.field('phone'), anything(value, speaker));
  const p = new Fields(value);
  const parts = [p.text('countryCode'), p.text('number')].filter((part) => part !== null);
  const shown = p.text('formatted') ?? parts.join(' ');
  return term(
    speaker.field('phone'),
    shown && telephone(shown, parts.length === 2 ? parts.join('') : shown),
    details(p.rest(), speaker),
  );
}

/** Places as an address is written: street, postcode and town, region, country; nothing twice in a row. */
function places(f, speaker) {
  return f.objects('location').map((place) => {
    const p = new Fields(place);
    const street = p.text('address');
    const town = [p.text('postalCode'), p.text('city')].filter(Boolean);
    const region = p.text('region');
    const lines = [
      street,
      town.length ? speaker.digits(town.join(' ')) : null,
      region !== null && !town.includes(region) ? region : null,
      p.text('country'),
    ];
    return term(
      speaker.field('location'),
      joined(
        lines.map((part) => part && bdi(part)),
        speaker.comma,
      ),
      details(p.rest(), speaker),
    );
  });
}

/** The API's picture, where the CV tells of one: asking for what is not there is a fault in the browser's eyes. */
function picture(person, f, name, speaker) {
  if (!f.left.has('Pictures')) return { image: null, more: [] };
  const pictures = f.objects('Pictures');
  const kind = typeof pictures[0]?.type_of === 'string' ? pictures[0].type_of : speaker.say('picture');
  // Its address is of another host: what the page shows is the API's copy.
  if (pictures[0])
    pictures[0] = Object.fromEntries(Object.entries(pictures[0]).filter(([key]) => !['type_of', 'URL'].includes(key)));
  const image = h('img', {
    class: 'portrait',
    src: `/api/v1/cvs/${encodeURIComponent(person)}/picture/`,
    width: 132,
    height: 132,
    alt: `${kind}: ${name}`,
    error: () => image.remove(),
  });
  return { image, more: pictures.filter((entry) => !isEmpty(entry)) };
}

function profiles(list, speaker) {
  if (!Array.isArray(list)) return isEmpty(list) ? null : term(speaker.section('profiles'), anything(list, speaker));
  return list.map((entry, index) => {
    if (isEmpty(entry)) return null;
    if (!isObject(entry)) return term(speaker.section('profiles'), anything(entry, speaker));
    const f = new Fields(entry);
    const [network, user, url] = [f.text('network'), f.text('username'), f.text('url')];
    // The address says the name as well, mostly, and can be typed from paper.
    const shown = url && joined([user !== null && !url.includes(user) ? user : null, shortUrl(url)], ' · ').join('');
    const item = term(
      network ?? speaker.section('profiles'),
      url ? link(url, bdi(shown, 'ltr')) : user && bdi(user, 'ltr'),
      details(f.rest(), speaker),
    );
    item.setAttribute('data-at', `/profiles/${index}`);
    return item;
  });
}

/** The name, which stands in the whole CV: a focus may leave nothing of basics. */
export function nameOf(whole) {
  return { first: whole.basics[0].fname, last: whole.basics[0].lname };
}

/** The head of the CV and, below it, what basics holds beyond it. */
export function profile(cv, { first: fname, last: lname }, person, speaker) {
  const [first = {}, ...others] = cv.basics;
  const f = new Fields({ fname, lname, ...first });
  const name = `${f.take('fname')} ${f.take('lname')}`;
  const { image, more } = picture(person, f, name, speaker);
  const labels = f.texts('label').filter(Boolean);
  const mail = f.text('email');
  const born = f.text('birthDate');
  const summary = f.text('summary');
  const contact = [
    mail && term(speaker.field('email'), scalar(mail, speaker)),
    phone(f, speaker),
    places(f, speaker),
    born && term(speaker.field('birthDate'), time(born, speaker)),
    profiles(cv.profiles, speaker),
  ]
    .flat()
    .filter(Boolean);
  const rest = joined([details(f.rest(), speaker), more.length ? anything(more, speaker) : null], ' ');
  return [
    h(
      'header',
      { class: 'head', 'data-at': cv.basics.length ? '/basics/0' : null },
      image,
      h(
        'div',
        { class: 'who' },
        h('h1', { dir: 'auto' }, name),
        labels.length
          ? h(
              'ul',
              { class: 'labels' },
              labels.map((label) => h('li', null, bdi(label))),
            )
          : null,
      ),
      contact.length ? h('dl', { class: 'contact', 'aria-label': speaker.say('contact') }, contact) : null,
      summary && h('p', { class: 'summary', dir: 'auto' }, summary),
      rest,
    ),
    others.some((entry) => !isEmpty(entry))
      ? section('basics', speaker.say('basics'), anything(others, speaker))
      : null,
  ];
}
