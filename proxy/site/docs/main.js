// The API reference, drawn from the description that the service itself serves.

import { h, loading } from '../app/dom.js';
import { themeButton } from '../app/controls.js';
import { examples, kind, namedSchema, prose, resolve, responseView, use } from './schema.js';
import { tryIt } from './try.js';

const METHODS = ['get', 'head', 'options', 'post', 'put', 'patch', 'delete', 'trace'];
const main = document.querySelector('main');

const parameterView = (parameter) =>
  h(
    'div',
    null,
    h(
      'dt',
      null,
      h('code', null, parameter.name),
      h('span', { class: 'in' }, ` ${parameter.in}`),
      parameter.required ? h('span', { class: 'required' }, ' required') : null,
    ),
    h(
      'dd',
      null,
      prose(parameter.description),
      h('p', { class: 'kind' }, kind(parameter.schema)),
      parameter.example === undefined ? null : h('p', null, 'Example: ', h('code', null, String(parameter.example))),
      parameter.examples ? examples({ examples: parameter.examples }) : null,
    ),
  );

function operation(path, method, item) {
  const { operationId, summary, description, parameters = [], responses } = item[method];
  const all = [...(item.parameters ?? []), ...parameters].map((parameter) => resolve(parameter).node);
  const id = operationId ?? `${method}-${path}`;
  return h(
    'div',
    { class: 'operation', id },
    h('h3', null, h('span', { class: `method ${method}` }, method.toUpperCase()), ' ', summary ?? path),
    prose(description),
    h('h4', null, 'Parameters'),
    all.length ? h('dl', { class: 'terms' }, all.map(parameterView)) : h('p', null, 'None.'),
    h('h4', null, 'Responses'),
    Object.entries(responses ?? {}).map(([status, response]) => responseView(status, response)),
    // What another server answers, such as the probes on the service's own port, cannot be asked from here.
    item.servers || item[method].servers || item[method].tags?.includes('Probes')
      ? null
      : tryIt(path, method.toUpperCase(), all, `try-${id}`),
  );
}

function pathView(path, item) {
  const id = `path-${path}`;
  return h(
    'section',
    { class: 'path', 'aria-labelledby': id },
    h('h2', { id }, h('code', null, path)),
    METHODS.filter((method) => item[method]).map((method) => operation(path, method, item)),
    item['x-other-methods'] ? [h('h3', null, 'Any other method'), responseView('405', item['x-other-methods'])] : null,
  );
}

function contents(spec) {
  const tags = spec.tags?.map(({ name }) => name) ?? [];
  const all = Object.entries(spec.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })),
  );
  const others = all.filter(({ tags: own }) => !own?.some((tag) => tags.includes(tag)));
  const list = (operations) =>
    h(
      'ul',
      null,
      operations.map(({ operationId, path, method }) =>
        h(
          'li',
          null,
          h(
            'a',
            { href: `#${operationId ?? `${method}-${path}`}` },
            h('span', { class: `method ${method}` }, method.toUpperCase()),
            ' ',
            path,
          ),
        ),
      ),
    );
  return [
    ...(spec.tags ?? [])
      .map(({ name, description }) => [
        h('h2', null, name),
        h('p', { class: 'small' }, description ?? ''),
        list(all.filter(({ tags: own }) => own?.includes(name))),
      ])
      .flat(),
    ...(others.length ? [h('h2', null, 'Other'), list(others)] : []),
    h('h2', null, 'Schemas'),
    h(
      'ul',
      null,
      Object.keys(spec.components?.schemas ?? {}).map((name) =>
        h('li', null, h('a', { href: `#schema-${name}` }, name)),
      ),
    ),
  ];
}

function draw(spec) {
  use(spec);
  const { title, version, summary, description, license } = spec.info;
  document.title = `${title} ${version}`;
  document.querySelector('.contents').replaceChildren(...contents(spec));
  main.replaceChildren(
    h(
      'header',
      null,
      h('h1', null, title, ' ', h('span', { class: 'version' }, version)),
      prose(summary),
      prose(description),
      h(
        'p',
        { class: 'small' },
        h('a', { href: '/api/v1/openapi.json' }, 'openapi.json'),
        `, OpenAPI ${spec.openapi}`,
        license ? `, licence ${license.name}` : '',
      ),
    ),
    ...Object.entries(spec.paths).map(([path, item]) => pathView(path, item)),
    h(
      'section',
      { class: 'path', 'aria-labelledby': 'schemas' },
      h('h2', { id: 'schemas' }, 'Schemas'),
      Object.entries(spec.components?.schemas ?? {}).map(([name, schema]) => namedSchema(name, schema)),
    ),
  );
  document.documentElement.dataset.state = 'ready';
  try {
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  } catch {
    /* what is no encoded text is nobody's id */
  }
}

async function load() {
  document.documentElement.dataset.state = 'loading';
  const said = 'Loading the description';
  document.querySelector('#status').textContent = said;
  const held = main.contains(document.activeElement);
  const late = setTimeout(() => main.replaceChildren(loading(said)), 400);
  try {
    const response = await fetch('/api/v1/openapi.json');
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    draw(await response.json());
  } catch (error) {
    main.replaceChildren(
      h(
        'div',
        { class: 'notice failure', role: 'alert' },
        h('h1', null, 'The description could not be loaded'),
        h('p', null, `Reason: ${error.message}.`),
        h('p', null, h('button', { type: 'button', click: load }, 'Try again')),
      ),
    );
    document.documentElement.dataset.state = 'error';
  } finally {
    clearTimeout(late);
    document.querySelector('#status').textContent = '';
    if (held && document.activeElement === document.body) main.focus();
  }
}

document.querySelector('.top').append(themeButton('Dark colours'));
load();
