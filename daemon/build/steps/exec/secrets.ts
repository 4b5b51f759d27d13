// Secrets of a step: what the client says, in files that exist in memory alone and are seen nowhere but in the step.
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AT, MS, OPEN_TREE } from '../../../../native-bindings/constants.ts';
import { mount, openTree } from '../../../../native-bindings/mount-api.ts';
import { inPrivateMountNamespace } from '../../../../native-bindings/namespaces.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import type { ClientServices } from '../step.ts';

/** As BuildKit. */
const secretLimitBytes = 512_000;

/** undefined: the client has none, and need not. Throws 'not-found' in BuildKit's words, 'too-large'. */
export async function secretOf(
  client: Pick<ClientServices, 'secret'>,
  id: string,
  isOptional: boolean,
): Promise<Uint8Array | undefined> {
  const bytes = await client.secret(id);
  if (bytes === undefined && !isOptional) throw new EngineError('not-found', `secret ${id}: not found`);
  if (bytes !== undefined && bytes.length > secretLimitBytes)
    throw new EngineError('too-large', `secret ${id}: more than ${secretLimitBytes} bytes`);
  return bytes;
}

export interface SecretFile {
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * A detached mount of each file, in their order; the caller closes them. All lie in one tmpfs that is never mounted anywhere but, for the moment in
 * which it is filled, on `place` in a mount namespace of its own. It cannot be swapped out where the kernel allows that (Linux 6.4).
 */
export function openSecrets(place: string, files: readonly SecretFile[]): number[] {
  const bytes = files.reduce((sum, file) => sum + file.bytes.length + 64 * 1024, 0);
  const base = ['mode=0700', `size=${bytes}`];
  return inPrivateMountNamespace(() => {
    const attributes = MS.NOSUID | MS.NODEV | MS.NOEXEC;
    try {
      mount('tmpfs', place, 'tmpfs', attributes, [...base, 'noswap'].join(','));
    } catch {
      mount('tmpfs', place, 'tmpfs', attributes, base.join(','));
    }
    return files.map(({ bytes: content, mode, uid, gid }, n) => {
      const path = join(place, String(n));
      writeFileSync(path, content, { mode: 0o600 });
      chownSync(path, uid, gid);
      chmodSync(path, mode);
      return openTree(AT.FDCWD, path, OPEN_TREE.CLONE);
    });
  });
}
