// `shared` and `slave` only mean something below a mount of the host that is shared: /proc/self/mountinfo says which are.
import { readFileSync, realpathSync } from 'node:fs';
import { EngineError } from '../errors/engine-error.ts';
import type { ResolvedMount } from '../spec/mount.ts';

/** Throws Docker's 'not a shared mount' when the source's mount does not pass events on. */
export function checkPropagation(mount: ResolvedMount): void {
  if (mount.propagation.endsWith('private')) return;
  const needsShared = mount.propagation.endsWith('shared');
  const point = sourceMount(mount.source, readFileSync('/proc/self/mountinfo', 'utf8'));
  const isShared = point?.optional.some((field) => field.startsWith('shared:')) ?? false;
  const isSlave = point?.optional.some((field) => field.startsWith('master:')) ?? false;
  if (isShared || (!needsShared && isSlave)) return;
  const kind = needsShared ? 'a shared' : 'a shared or slave';
  throw new EngineError(
    'invalid',
    `path ${mount.source} is mounted on ${point?.target ?? '/'} but it is not ${kind} mount`,
  );
}

/** Pure but for the source's links: the mount that holds a path. */
function sourceMount(source: string, mountinfo: string): { target: string; optional: string[] } | undefined {
  let path: string;
  try {
    path = realpathSync(source);
  } catch {
    path = source;
  }
  let best: { target: string; optional: string[] } | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after] = line.split(' - ');
    const fields = before.split(' ');
    const target = decodeOctal(fields[4] ?? '');
    if (after === undefined || !(path === target || path.startsWith(target === '/' ? '/' : `${target}/`))) continue;
    // A later line of the same length is mounted on top of the earlier one.
    if (best === undefined || target.length >= best.target.length) best = { target, optional: fields.slice(6) };
  }
  return best;
}

/** mountinfo writes space, tab, newline and backslash in octal. */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
