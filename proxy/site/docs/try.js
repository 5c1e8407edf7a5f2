// Forms that send the real request and show what came: the command line that does the same, status, headers, body.

import { h } from '../app/dom.js';
import { resolve } from './schema.js';

// Headers that browsers set themselves, whatever a page says; they go into the command line alone.
const OWN = /^(accept-encoding|origin|access-control-request-.*|host|connection|cookie)$/i;
const MOST = 200_000; // characters of a body that are shown

function field(parameter, id) {
  const { node: schema } = resolve(parameter.schema ?? {});
  const value = parameter.in === 'path' ? (parameter.example ?? schema.examples?.[0] ?? '') : '';
  const offered = schema.enum;
  const attributes = {
    id,
    name: parameter.name,
    'data-in': parameter.in,
    required: parameter.in === 'path',
    dir: 'ltr',
  };
  const control = offered
    ? h(
        'select',
        attributes,
        parameter.required ? null : h('option', { value: '' }, '–'),
        offered.map((item) => h('option', { value: item, selected: item === value }, item)),
      )
    : h('input', {
        ...attributes,
        value,
        placeholder: parameter.in === 'path' ? null : parameter.example,
        autocomplete: 'off',
        spellcheck: 'false',
      });
  return h(
    'div',
    { class: 'field' },
    h(
      'label',
      { for: id },
      parameter.name,
      ' ',
      h('span', { class: 'in' }, OWN.test(parameter.name) ? 'header, by curl only' : parameter.in),
    ),
    control,
  );
}

const quoted = (text) => `'${text.replace(/'/g, "'\\''")}'`;

function request(form, path, method) {
  const query = new URLSearchParams();
  const headers = {};
  let filled = path;
  for (const control of form.querySelectorAll('[data-in]')) {
    const { name, value } = control;
    if (control.dataset.in === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(value));
    else if (value === '') continue;
    else if (control.dataset.in === 'query') query.append(name, value);
    else headers[name] = value;
  }
  const url = filled + ((query.size ?? [...query].length) ? `?${query}` : '');
  const option = { GET: '-i', HEAD: '-I' }[method] ?? `-i -X ${method}`;
  const curl = [
    'curl',
    option,
    quoted(location.origin + url),
    ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
  ].join(' ');
  return { url, curl, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN.test(name))) };
}

/** JSON with line breaks and blanks; every token stays as it is spelt. */
export function indented(text) {
  let depth = 0;
  const newline = () => `\n${'  '.repeat(depth)}`;
  return text.replace(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|\s+/g, (token) => {
    if (/^\s/.test(token)) return '';
    if (token === '{' || token === '[') {
      depth += 1;
      return token + newline();
    }
    if (token === '}' || token === ']') {
      depth -= 1;
      return newline() + token;
    }
    return token === ',' ? token + newline() : token === ':' ? ': ' : token;
  });
}

async function bodyView(response, url, method) {
  const type = response.headers.get('Content-Type') ?? '';
  if (method === 'HEAD') return h('p', null, 'No body: HEAD.');
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (!bytes.length) return h('p', null, 'No body.');
  if (/^image\//.test(type)) return h('p', null, h('img', { src: url, alt: 'The picture that was sent', width: 160 }));
  if (!/json|text/.test(type))
    return h('p', null, `${bytes.length} bytes of ${type || 'unknown type'}. `, h('a', { href: url }, 'Open it'));
  const text = new TextDecoder().decode(bytes);
  const set = /json/.test(type) ? indented(text) : text;
  return [
    h('pre', { class: 'body', tabindex: 0 }, set.slice(0, MOST)),
    set.length > MOST ? h('p', null, `The first ${MOST} of ${set.length} characters.`) : null,
  ];
}

async function send(form, output, path, method) {
  const dots = [...form.querySelectorAll('[data-in="path"]')].find(({ value }) => /^\.\.?$/.test(value));
  if (dots) {
    const text = `${dots.name}: browsers and curl take “.” and “..” for steps, so no address can hold them.`;
    output.replaceChildren(h('p', { class: 'status failed' }, text));
    return;
  }
  const { url, curl, headers } = request(form, path, method);
  const head = h('pre', { class: 'curl', tabindex: 0 }, curl);
  output.replaceChildren(head, h('p', null, 'Sending …'));
  try {
    const began = performance.now();
    const response = await fetch(url, { method, headers, cache: 'no-store' });
    const took = Math.round(performance.now() - began);
    const body = await bodyView(response, url, method);
    output.replaceChildren(
      head,
      ...[
        h(
          'p',
          { class: 'status' },
          h('strong', null, `${response.status} ${response.statusText}`.trim()),
          ` in ${took} ms`,
          response.redirected ? ` from ${new URL(response.url).pathname}` : '',
        ),
        h(
          'dl',
          { class: 'terms headers' },
          [...response.headers].map(([name, value]) =>
            h('div', null, h('dt', null, h('code', null, name)), h('dd', null, value)),
          ),
        ),
        body,
      ]
        .flat()
        .filter(Boolean),
    );
  } catch (error) {
    output.replaceChildren(
      head,
      h('p', { class: 'status failed' }, `No answer came: ${error.message}. Check the network and the values.`),
    );
  }
}

/** The form for one operation. */
export function tryIt(path, method, parameters, id) {
  const output = h('div', { class: 'answer', 'aria-live': 'polite' });
  const form = h(
    'form',
    {
      submit: (event) => {
        event.preventDefault();
        send(form, output, path, method);
      },
    },
    parameters.map((parameter, index) => field(parameter, `${id}-${index}`)),
    h('button', { class: 'button' }, `Send ${method}`),
  );
  return h('details', { class: 'try' }, h('summary', null, 'Try it'), form, output);
}
