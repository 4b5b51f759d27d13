// What bin/tsdocker runs: loads the bundled client with the code that V8 compiled for it before, which saves a third of the start-up time.
// The build writes that cache (with TSDOCKER_WRITE_CODE_CACHE set) from a `run`, which goes through most of the client. Packages come
// without one, since its bytes are never the same twice: there root's first `run` leaves it, and again after Node has changed. Without a
// usable cache everything works, only slower.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';

const bundle = `${__dirname}/client.cjs`;
const cacheFile = `${__dirname}/client.cache`;

function readCache(): Buffer | undefined {
  try {
    return readFileSync(cacheFile);
  } catch {
    return undefined;
  }
}

/** Aside and renamed, so that nobody reads half of it. Where this user may not write, nobody is told: it is a cache. */
function writeCache(): void {
  const aside = `${cacheFile}.${process.pid}`;
  try {
    writeFileSync(aside, script.createCachedData(), { flag: 'wx' });
    renameSync(aside, cacheFile);
  } catch {
    // A read-only file system.
  }
}

const isBuild = process.env.TSDOCKER_WRITE_CODE_CACHE !== undefined;
const cachedData = isBuild ? undefined : readCache();
const script = new Script(`(function (require) {${readFileSync(bundle, 'utf8')}\n})`, {
  filename: bundle,
  ...(cachedData ? { cachedData } : {}),
});
const isUsable = cachedData !== undefined && script.cachedDataRejected === false;
const isFirstRun = !isUsable && process.getuid?.() === 0 && process.argv.slice(2).includes('run');
if (isBuild || isFirstRun) process.on('exit', writeCache);
script.runInThisContext()(createRequire(bundle));
