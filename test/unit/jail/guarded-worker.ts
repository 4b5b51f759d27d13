// A worker that puts on a jail's guard and then tries everything that loads code or leaves the thread; it tells how each attempt ended.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { forbidLoading } from '../../../daemon/jail/guard.ts';

const { module: modulePath, marker } = workerData as { module: string; marker: string };
const require = createRequire(import.meta.url);
if (workerData.isGuarded) forbidLoading();

const attempts: Record<string, () => unknown> = {
  import: () => import(modulePath),
  'import of what was loaded before': () => import(`${modulePath}?again`),
  require: () => require(modulePath),
  createRequire: () => createRequire('file:///x.js')(modulePath),
  dlopen: () => process.dlopen({ exports: {} }, '/nowhere.node'),
  'fs.promises': () => fs.promises.writeFile(marker, 'x'),
  'asynchronous fs': () =>
    new Promise((resolve, reject) => fs.writeFile(marker, 'x', (error) => (error ? reject(error) : resolve(1)))),
  'sync fs': () => fs.statSync('/'),
};

const results: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
    results[name] = 'worked';
  } catch (error) {
    results[name] = error instanceof Error ? error.message : String(error);
  }
}
parentPort?.postMessage(results);
