// What the sources of an ADD are, one by one: those that are archives are unpacked, which begins outside of the jail.
import { S_IF } from '../../../../native-bindings/constants.ts';
import { check, EntryStat } from '../../../../native-bindings/entries.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import type { NamedSource } from '../../messages.ts';
import type { Scratches } from '../scratch.ts';
import { NameSorter } from '../sorted-names.ts';
import { matchSources, type SourceChoice } from './choose-sources.ts';

const MAX_SOURCES = 100_000;
/** Of their names together: all of them go to the main thread. */
const MAX_NAMES_BYTES = 8 * 1024 * 1024;

export function nameSources(rootFd: number, choice: SourceChoice, scratches: Scratches): NamedSource[] {
  const named: NamedSource[] = [];
  const stat = new EntryStat();
  let bytes = 0;
  for (const { parent, name, path, base } of matchSources(rootFd, choice, new NameSorter(scratches.names))) {
    check('statx', stat.read(parent.fd, name ?? ''), base);
    named.push({ path: textOf(path), isFile: (stat.mode & S_IF.MT) === S_IF.REG });
    bytes += path.length;
    if (named.length > MAX_SOURCES)
      throw new EngineError('invalid', `a source stands for more than ${MAX_SOURCES} files`);
    if (bytes > MAX_NAMES_BYTES)
      throw new EngineError('invalid', `a source stands for files whose paths have more than ${MAX_NAMES_BYTES} bytes`);
  }
  return named;
}

function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}
