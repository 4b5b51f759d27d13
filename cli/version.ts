// What this client says about itself.
import { arch } from 'node:process';

/** Replaced by the bundler with the version in package.json. */
declare const TSDOCKER_VERSION: string | undefined;
declare const TSDOCKER_COMMIT: string | undefined;

export const clientVersion = typeof TSDOCKER_VERSION === 'string' ? TSDOCKER_VERSION : '0.1.0';
export const clientCommit = typeof TSDOCKER_COMMIT === 'string' ? TSDOCKER_COMMIT : 'source';

/** Go's names of architectures, which the API speaks. */
export function goArchitecture(): string {
  return (
    { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386', ppc64: 'ppc64le', s390x: 's390x' }[arch as string] ?? arch
  );
}

export function versionLine(program: string): string {
  return `${program} version ${clientVersion}, build ${clientCommit}`;
}
