// JSON Schemas and the parts of an OpenAPI file, set to be read.

import { h } from '../app/dom.js';

let spec;
export const use = (description) => {
  spec = description;
};

/** What a $ref points to, with the last part of its name; anything else is itself. */
export function resolve(node) {
  if (!node?.$ref) return { node, name: null };
  const path = node.$ref
    .replace(/^#\//, '')
    .split('/')
    .map((part) => decodeURIComponent(part).replace(/~1/g, '/').replace(/~0/g, '~'));
  const { node: found } = resolve(path.reduce((at, part) => at?.[part], spec));
  return { node: found, name: path.at(-1) };
}

export const prose = (text) => (text ? text.split(/\n\n+/).map((part) => h('p', null, part)) : []);
export const json = (value) => h('pre', { tabindex: 0 }, JSON.stringify(value, null, 2));

const LIMITS = [
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'minProperties',
  'default',
];

/** A schema in one line: its kind and limits. */
export function kind(schema) {
  if (schema === true || schema === undefined) return ['any'];
  if (schema === false) return ['nothing'];
  const { node, name } = resolve(schema);
  if (name) return [h('a', { href: `#schema-${name}` }, name)];
  const type =
    node.const !== undefined
      ? JSON.stringify(node.const)
      : node.enum
        ? node.enum.map((value) => JSON.stringify(value)).join(' | ')
        : [node.type ?? (node.properties ? 'object' : node.oneOf || node.anyOf || node.allOf ? '' : 'any')]
            .flat()
            .join(' | ');
  return [
    type,
    node.type === 'array' && node.items ? [' of ', kind(node.items)] : '',
    LIMITS.filter((key) => node[key] !== undefined).map((key) =>
      h('span', { class: 'limit' }, ` ${key}: `, h('code', null, JSON.stringify(node[key]))),
    ),
  ];
}

function member(name, schema, required) {
  return h(
    'li',
    null,
    h('code', { class: 'name' }, name),
    ' ',
    h('span', { class: 'kind' }, kind(schema)),
    required ? h('span', { class: 'required' }, ' required') : null,
    schemaBody(schema),
  );
}

/** What a schema holds beyond its kind; a named one is told once, in the list of schemas. */
function schemaBody(schema) {
  if (typeof schema !== 'object' || schema.$ref) return [];
  const rows = [
    ...Object.entries(schema.properties ?? {}).map(([name, value]) =>
      member(name, value, schema.required?.includes(name)),
    ),
    ...Object.entries(schema.patternProperties ?? {}).map(([name, value]) => member(`/${name}/`, value)),
    ...(typeof schema.additionalProperties === 'object' ? [member('any other', schema.additionalProperties)] : []),
    ...(typeof schema.propertyNames === 'object' ? [member('names', schema.propertyNames)] : []),
    ...(schema.prefixItems ?? []).map((value, index) => member(`[${index}]`, value)),
    ...(typeof schema.items === 'object' && !schema.items.$ref ? [member('[ ]', schema.items)] : []),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((key) => (schema[key] ?? []).map((value) => member(key, value))),
  ];
  return [...prose(schema.description), rows.length ? h('ul', { class: 'members' }, rows) : ''];
}

export function schemaView(schema) {
  const { node, name } = resolve(schema);
  return h('div', { class: 'schema' }, h('p', { class: 'kind' }, kind(schema)), name ? '' : schemaBody(node));
}

/** A named schema whole, with its examples. */
export const namedSchema = (name, schema) =>
  h(
    'div',
    { class: 'operation', id: `schema-${name}` },
    h('h3', null, name),
    h('p', { class: 'kind' }, kind(schema)),
    schemaBody(schema),
    (schema.examples ?? (schema.example === undefined ? [] : [schema.example])).map(json),
  );

/** The examples of a media type, header or parameter. */
export function examples(holder) {
  const named = Object.entries(holder.examples ?? {}).map(([name, value]) => ({ name, ...resolve(value).node }));
  if (holder.example !== undefined) named.push({ name: 'Example', value: holder.example });
  return named.map(({ name, summary, value }) =>
    h('figure', null, h('figcaption', null, summary ?? name), json(value)),
  );
}

/** A response: what it means, its headers, what it holds. */
export function responseView(status, response) {
  const { node } = resolve(response);
  const headers = Object.entries(node.headers ?? {});
  return h(
    'details',
    { class: 'response' },
    h('summary', null, h('code', null, status), ' ', node.description ?? ''),
    headers.length
      ? h(
          'dl',
          { class: 'terms' },
          headers.map(([name, header]) => {
            const { node: told } = resolve(header);
            return h(
              'div',
              null,
              h('dt', null, h('code', null, name)),
              h('dd', null, told.description ?? '', ' ', h('span', { class: 'kind' }, kind(told.schema))),
            );
          }),
        )
      : null,
    Object.entries(node.content ?? {}).map(([type, media]) =>
      h(
        'div',
        { class: 'media' },
        h('p', null, h('code', null, type)),
        media.schema ? schemaView(media.schema) : null,
        examples(media),
      ),
    ),
  );
}
