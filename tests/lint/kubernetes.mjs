// usage: node tests/lint/kubernetes.mjs FILE…
//
// Holds Kubernetes manifests against the published schemas, as the package kubernetes-models has them compiled. Those
// let unknown fields pass; here a field that the schema never looks at is a fault too.
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

// What `seen` is told of is each field that somebody reads.
function watch(value, path, seen) {
  if (value === null || typeof value !== 'object') return value;
  return new Proxy(value, {
    get(target, key) {
      const inner = Reflect.get(target, key);
      if (typeof key !== 'string' || !Object.hasOwn(target, key) || typeof inner === 'function') return inner;
      seen.add(`${path}/${key}`);
      return watch(inner, `${path}/${key}`, seen);
    },
  });
}

function* fields(value, path = '') {
  if (value === null || typeof value !== 'object') return;
  for (const [key, inner] of Object.entries(value)) {
    yield `${path}/${key}`;
    yield* fields(inner, `${path}/${key}`);
  }
}

async function faultsOf(manifest) {
  const { apiVersion, kind } = manifest ?? {};
  if (!/^[\w.]+(\/\w+)?$/.test(apiVersion) || !/^\w+$/.test(kind)) return ['no apiVersion and kind'];
  let model;
  try {
    model = (await import(`kubernetes-models/${apiVersion}/${kind}`))[kind];
  } catch {
    return [`${apiVersion} ${kind}: there is no such kind`];
  }
  const seen = new Set();
  try {
    const made = new model(manifest);
    made.validate.call(watch(made, '', seen));
  } catch (error) {
    return (error.errors ?? [error]).map((one) => `${one.instancePath ?? ''} ${one.message}`);
  }
  seen.add('');
  return [...fields(manifest)] // of what nobody looks at, the top alone
    .filter((path) => !seen.has(path) && seen.has(path.slice(0, path.lastIndexOf('/'))))
    .map((path) => `${path}: the schema knows no such field`);
}

let faults = 0;
let count = 0;
for (const file of process.argv.slice(2)) {
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const found = document.errors.length ? document.errors.map(String) : await faultsOf(document.toJS());
    for (const fault of found) console.error(`${file}: ${fault}`);
    faults += found.length;
    count += 1;
  }
}
console.log(`${count} Kubernetes manifests, ${faults} faults`);
process.exitCode = faults ? 1 : 0;
