// The command line of a build as the parameters of POST /build.
import type { FlagValues } from '../../daemon/protocols/flags/flag.ts';
import type { Query } from '../client/api-client.ts';
import { type ConfigFile, proxyEnvironment } from '../config-file.ts';
import { CliError } from '../errors.ts';
import { cut } from '../options/csv.ts';
import { checkPlatform } from '../options/platform.ts';
import type { buildFlags } from './build-flags.ts';
import type { OutputSpec } from './build-outputs.ts';

type Flags = FlagValues<typeof buildFlags>;

export interface NamedContext {
  readonly name: string;
  /** "docker-image://…", a URL, or what stands for a directory of this machine. */
  readonly value: string;
}

/** Throws CliError for what this builder does not have, before anything is sent. */
export function buildQuery(
  flags: Flags,
  options: {
    outputs: readonly OutputSpec[];
    contexts: readonly NamedContext[];
    caches: { readonly from: readonly string[]; readonly to: readonly string[] };
    config: ConfigFile;
    host: string;
  },
): Query {
  refuseAttestations(flags);
  if (!flags.rm) throw new CliError('--rm=false: there are no intermediate containers to keep; see --keep-failed');
  for (const platform of flags.platform) checkPlatform(platform);
  const { outputs, contexts, caches, config, host } = options;
  const json = (value: object): string => JSON.stringify(value);
  const some = (value: Record<string, unknown> | readonly unknown[]): string | undefined =>
    Object.keys(value).length === 0 ? undefined : json(value);
  return {
    version: '1',
    events: true,
    t: flags.tag,
    nocache: flags.noCache || undefined,
    nocachefilter: flags.noCacheFilter,
    cachefrom: some(caches.from),
    cacheto: some(caches.to),
    pull: flags.pull ? '1' : undefined,
    memory: flags.memory || undefined,
    memswap: flags.memorySwap || undefined,
    cpushares: flags.cpuShares || undefined,
    cpuperiod: flags.cpuPeriod || undefined,
    cpuquota: flags.cpuQuota || undefined,
    cpusetcpus: flags.cpusetCpus || undefined,
    cpusetmems: flags.cpusetMems || undefined,
    shmsize: flags.shmSize || undefined,
    buildargs: some(pairs([...proxyEnvironment(config, host, flags.buildArg), ...flags.buildArg], null)),
    labels: some(pairs(flags.label, '')),
    annotations: some(pairs(flags.annotation, '')),
    networkmode: flags.network,
    extrahosts: flags.addHost,
    ulimits: some(flags.ulimit),
    cgroupparent: flags.cgroupParent || undefined,
    securityopt: some(flags.securityOpt),
    allow: flags.allow,
    platform: flags.platform.join(',') || undefined,
    target: flags.target || undefined,
    squash: flags.squash || undefined,
    // Pushing is this side's work, when the image is there.
    outputs: some(outputs.map(({ type, attributes: { push: _, ...rest } }) => ({ Type: type, Attrs: rest }))),
    contexts: some(Object.fromEntries(contexts.map(({ name, value }) => [name, value]))),
    call: flags.check ? 'check' : flags.call === 'build' ? undefined : flags.call,
    keepfailed: flags.keepFailed || flags.invokeOnError !== '' || undefined,
  };
}

function refuseAttestations({ attest, provenance, sbom }: Flags): void {
  const isOff = (value: string) => /^(?:|false|0)$/i.test(value);
  if (attest.length > 0 || !isOff(provenance) || !isOff(sbom))
    throw new CliError('attestations (--attest, --provenance, --sbom) are not there yet');
}

/** A name without a value takes this machine's, `absent` where there is none. */
function pairs(texts: readonly string[], absent: string | null): Record<string, string | null> {
  const result: Record<string, string | null> = Object.create(null);
  for (const text of texts) {
    const [name, value] = cut(text, '=');
    result[name] = value ?? absent;
  }
  return result;
}
