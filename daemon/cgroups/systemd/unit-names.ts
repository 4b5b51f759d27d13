// Names of slices and scopes, and where systemd puts their groups (systemd.slice(5), systemd.scope(5)). Pure.
import { EngineError } from '../../errors/engine-error.ts';

const SCOPE = /^tsdocker-([0-9a-f]{64})\.scope$/;
const MAX_NAME_BYTES = 255;

/** The unit of a container. */
export function scopeName(containerId: string): string {
  return `tsdocker-${containerId}.scope`;
}

/** The container of a unit; undefined for units of others. */
export function containerOfScope(name: string): string | undefined {
  return SCOPE.exec(name)?.[1];
}

/** Docker's check of --cgroup-parent with the systemd driver, in its words. */
export function checkSlice(name: string): void {
  const stem = name.slice(0, -'.slice'.length);
  const isGood =
    name.endsWith('.slice') &&
    Buffer.byteLength(name) <= MAX_NAME_BYTES &&
    (stem === '-' || (/^[A-Za-z0-9:_.\\@]+(-[A-Za-z0-9:_.\\@]+)*$/.test(stem) && !stem.startsWith('.')));
  if (isGood) return;
  throw new EngineError('invalid', 'cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"');
}

/** The group of a slice: "a-b.slice" is in "a.slice", so "/a.slice/a-b.slice"; that of "-.slice" is the root, "". */
export function slicePath(name: string): string {
  const stem = name.slice(0, -'.slice'.length);
  if (stem === '-') return '';
  const parts = stem.split('-');
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
}

export interface ContainerGroup {
  slice: string;
  scope: string;
  /** The scope's group; the container's own is below it. */
  scopePath: string;
}

/** What stands in a path as containerGroupPath makes it; undefined for other paths. */
export function parseContainerGroup(path: string): ContainerGroup | undefined {
  const parts = path.split('/').slice(1);
  const [scope, last] = parts.slice(-2);
  if (scope === undefined || last !== CONTAINER || !SCOPE.test(scope)) return undefined;
  return { slice: parts.at(-3) ?? '-.slice', scope, scopePath: `/${parts.slice(0, -1).join('/')}` };
}

/** The names of the groups in a scope. A group that hands controllers down has no processes itself, so there are two. */
export const CONTAINER = 'container';
export const MONITOR = 'monitor';

export function containerGroupPath(slice: string, containerId: string): string {
  return `${slicePath(slice)}/${scopeName(containerId)}/${CONTAINER}`;
}
