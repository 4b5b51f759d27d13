// Which versions of the Engine API are spoken, and how a request says which one it wants: /v1.43/containers/json. Paths without a version
// get the newest. A version is held as one number, major * 1000 + minor, so that it compares.
import { EngineError } from '../errors/engine-error.ts';

export const apiVersion = '1.51';
/** The oldest spoken: raising it breaks tools that were never updated. */
export const minApiVersion = '1.24';
/** What the Server header claims: clients read the operating system out of it, and expect Docker's form. */
const engineVersion = '28.5.2';

const newest = 1051;
const oldest = 1024;
const versionedPath = /^\/v(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})*(?=\/)/;

/** On every response. */
export const commonHeaders: Readonly<Record<string, string>> = Object.freeze({
  'Api-Version': apiVersion,
  'Docker-Experimental': 'false',
  Ostype: 'linux',
  Server: `Docker/${engineVersion} (linux)`,
});

/** The version that a request's path asks for. */
export function requestedVersion(url: string): number {
  const match = versionedPath.exec(url);
  return match === null ? newest : Number(match[1]) * 1000 + Number(match[2]);
}

/** Throws 'invalid', in Docker's words, for versions that are not spoken. */
export function checkVersion(url: string): void {
  const match = versionedPath.exec(url);
  if (match === null) return;
  const version = Number(match[1]) * 1000 + Number(match[2]);
  const name = `${Number(match[1])}.${match[2]}`;
  if (version > newest) {
    throw new EngineError(
      'invalid',
      `client version ${name} is too new. Maximum supported API version is ${apiVersion}`,
    );
  }
  if (version < oldest) {
    throw new EngineError(
      'invalid',
      `client version ${name} is too old. Minimum supported API version is ${minApiVersion}, ` +
        'please upgrade your client to a newer version',
    );
  }
}

/** The path without its version. */
export function stripVersion(url: string): string {
  return url.charCodeAt(1) === 0x76 /* v */ ? url.replace(versionedPath, '') : url;
}
