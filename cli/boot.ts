// What bin/tsdocker runs: loads the bundled client with the code that V8 compiled when it was built, which saves a third of the
// start-up time. Without a usable cache (another Node, another machine) everything works, only slower.
// With TSDOCKER_WRITE_CODE_CACHE set, the build lets it write that cache when the command ends.
import { readFileSync, writeFileSync } from 'node:fs';
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

const cachedData = process.env.TSDOCKER_WRITE_CODE_CACHE ? undefined : readCache();
const script = new Script(`(function (require) {${readFileSync(bundle, 'utf8')}\n})`, {
  filename: bundle,
  ...(cachedData ? { cachedData } : {}),
});
if (process.env.TSDOCKER_WRITE_CODE_CACHE) {
  process.on('exit', () => writeFileSync(cacheFile, script.createCachedData()));
}
script.runInThisContext()(createRequire(bundle));
