import { CliError } from '../errors.ts';
import { boolFlag } from '../flags/flag.ts';

/** Docker's switch for Notary, which this engine does not ask; off is the only value that changes nothing. */
export const contentTrustFlag = (what: string) =>
  boolFlag('disable-content-trust', `Skip image ${what}`, { initial: true });

export function refuseContentTrust(isDisabled: boolean): void {
  if (!isDisabled) {
    throw new CliError('--disable-content-trust=false: signatures are not there: digests (NAME@sha256:…) pin an image');
  }
}
