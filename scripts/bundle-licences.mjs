// The licences of what is inside the bundles and the binaries: they ask to go where the code goes.
import { readdirSync, readFileSync } from 'node:fs';

/** What is compiled into the binaries, below native-bindings/addons/node_modules. */
const compiled = ['@2060.io/ffi-napi', '@2060.io/ffi-napi/deps/libffi', '@2060.io/ref-napi', 'node-addon-api'].concat([
  'get-symbol-from-current-process-h',
  'get-uv-event-loop-napi-h',
]);

/** @param {string} root the project's @param {string[]} inputs files that esbuild bundled, relative to it @returns {string} */
export function licenceTexts(root, inputs) {
  const bundled = inputs.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  const directories = new Set([...bundled, ...compiled.map((name) => `native-bindings/addons/node_modules/${name}`)]);
  return [...directories]
    .filter((directory) => directory !== undefined)
    .sort()
    .map((directory) => licenceText(`${root}${directory}`, directory.replace(/^.*node_modules\//, '')))
    .join(`\n${'-'.repeat(80)}\n\n`);
}

/** @param {string} directory @param {string} name */
function licenceText(directory, name) {
  const files = readdirSync(directory)
    .filter((file) => /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i.test(file))
    .sort();
  const texts = files.map((file) => readFileSync(`${directory}/${file}`, 'utf8').trim());
  if (texts.length === 0)
    texts.push(`licence: ${JSON.parse(readFileSync(`${directory}/package.json`, 'utf8')).license}`);
  return `${name}\n\n${texts.join('\n\n')}\n`;
}
