// Called once in a jail worker when everything it needs is loaded. From then on no module can be loaded: inside a container's root a late
// `import` or `require` would run the container's code as root on the host. Asynchronous fs goes too: it would run on libuv's pool
// threads, which are not in the jail.
import fs from 'node:fs';
import module, { syncBuiltinESMExports } from 'node:module';

export function forbidLoading(): void {
  const refuse = (what: string) => (): never => {
    throw new Error(`${what} in a jail: nothing may be loaded here`);
  };
  module.registerHooks({ resolve: refuse('import or require'), load: refuse('import or require') });
  process.dlopen = refuse('dlopen');
  const loader = module as unknown as Record<string, unknown>;
  for (const name of ['_load', '_resolveFilename', '_findPath', 'createRequire']) loader[name] = refuse(name);
  forbidAsyncFs();
}

function forbidAsyncFs(): void {
  const table = fs as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(table)) {
    const isAsync = typeof value === 'function' && Object.hasOwn(table, `${name}Sync`);
    if (!isAsync) continue;
    table[name] = () => {
      throw new Error(`fs.${name} in a jail: only synchronous calls work on this thread's root`);
    };
  }
  for (const name of Object.keys(fs.promises)) {
    const promises = fs.promises as unknown as Record<string, unknown>;
    if (typeof promises[name] !== 'function') continue;
    promises[name] = () => {
      throw new Error(`fs.promises.${name} in a jail: only synchronous calls work on this thread's root`);
    };
  }
  syncBuiltinESMExports();
}
