// Options of the `local` driver: `type`, `o` and `device` are those of mount(8). Checked when a volume is made, as docker does; that the device
// can be mounted shows when a container starts.
import { MOUNT_ATTR, MS } from '../../native-bindings/constants.ts';
import { EngineError } from '../errors/engine-error.ts';
import { mountWords } from '../runtime/explain/mount-words.ts';

const known: ReadonlySet<string> = new Set(['type', 'o', 'device', 'size']);
const needs: readonly (readonly [option: string, needed: readonly string[]])[] = [
  ['device', ['type']],
  ['type', ['device']],
  ['o', ['device', 'type']],
];
/** Asking them may take as long as a network is down. */
const remoteTypes: ReadonlySet<string> = new Set(['nfs', 'nfs4', 'cifs', 'smb3', 'ceph', '9p']);
const maxWords = 64;
/** The kernel's limit for one value. */
const maxValueBytes = 255;

export type LocalMount =
  | { kind: 'bind'; device: string; recursive: boolean; attributes: number; propagation: number }
  | {
      kind: 'file-system';
      type: string;
      device: string;
      /** `key=value` or a flag. */
      options: readonly string[];
      attributes: number;
      /** Mounting it asks another host. */
      isRemote: boolean;
      /** Every mount of it is a file system of its own, so that its users have to share one. */
      isVolatile: boolean;
    };

/** undefined: a plain directory. Throws 'invalid' with docker's words. */
export function planLocalMount(options: Readonly<Record<string, string>> | null): LocalMount | undefined {
  const given = new Map(Object.entries(options ?? {}));
  if (given.size === 0) return undefined;
  for (const key of given.keys()) if (!known.has(key)) throw new EngineError('invalid', `invalid option: "${key}"`);
  if (given.has('size')) throw new EngineError('invalid', 'quota size requested but no quota support');
  for (const [option, needed] of needs) {
    if (!given.has(option)) continue;
    for (const other of needed) {
      if (!given.has(other)) throw new EngineError('invalid', `missing required option: "${other}"`);
    }
  }
  const list = (given.get('o') ?? '').split(',').filter((word) => word !== '');
  if (list.length > maxWords) throw new EngineError('invalid', `option "o" has more than ${maxWords} words`);
  const device = given.get('device') ?? '';
  const type = given.get('type') ?? '';
  checkText('device', device);
  checkText('type', type);
  for (const word of list) checkText('o', word);
  const isBind = list.includes('bind') || list.includes('rbind');
  const words = mountWords(list);
  if (isBind) {
    if (!device.startsWith('/')) throw new EngineError('invalid', `option "device" of a bind must be an absolute path`);
    const { attributes, propagation, recursive } = words;
    if (words.data.length > 0) throw new EngineError('invalid', `option "o": a bind knows no "${words.data[0]}"`);
    return {
      kind: 'bind',
      device,
      recursive,
      attributes,
      propagation: propagation === MS.UNBINDABLE ? 0 : propagation,
    };
  }
  if (words.propagation !== 0) throw new EngineError('invalid', 'option "o": propagation is for binds (o=bind)');
  const isReadOnly = (words.attributes & MOUNT_ATTR.RDONLY) !== 0;
  return {
    kind: 'file-system',
    type,
    device,
    // A read-only medium can only be mounted read-only throughout.
    options: isReadOnly ? [...words.data, 'ro'] : words.data,
    attributes: words.attributes,
    isRemote: remoteTypes.has(type),
    isVolatile: type === 'tmpfs' || type === 'ramfs',
  };
}

function checkText(option: string, text: string): void {
  if (text.includes('\0')) throw new EngineError('invalid', `option "${option}" must not contain a NUL byte`);
  const limit = option === 'o' ? maxValueBytes : 4095;
  if (Buffer.byteLength(text) > limit)
    throw new EngineError('invalid', `option "${option}" is longer than ${limit} bytes`);
}
