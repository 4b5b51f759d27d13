import { boolFlag } from '../../daemon/protocols/flags/flag.ts';
import { parseBool } from '../../daemon/protocols/units/go-numbers.ts';
import { CliError } from '../errors.ts';

/** Docker's switch for Notary, which this engine does not ask; off is the only value that changes nothing. DOCKER_CONTENT_TRUST turns it on. */
export const contentTrustFlag = (what: string) =>
  boolFlag('disable-content-trust', `Skip image ${what}`, { initial: !isAskedFor(process.env.DOCKER_CONTENT_TRUST) });

/** As docker: what is no word for true or false is true. */
function isAskedFor(text: string | undefined): boolean {
  if (!text) return false;
  try {
    return parseBool(text);
  } catch {
    return true;
  }
}

export function refuseContentTrust(isDisabled: boolean): void {
  if (!isDisabled) {
    throw new CliError(
      '--disable-content-trust=false (or DOCKER_CONTENT_TRUST): signatures are not there: digests (NAME@sha256:…) pin an image',
    );
  }
}
