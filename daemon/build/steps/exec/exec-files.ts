// The files below /etc that the engine puts over a step's own, read-only and for as long as it runs: hosts and resolv.conf, as BuildKit. Pure.
import { embeddedResolvConf, resolvConf } from '../../../networks/managed-files.ts';
import { type ExtraHost, hostGateway } from '../../../spec/container-spec.ts';

export interface HostsOfStep {
  readonly hostname: string;
  readonly extraHosts: readonly ExtraHost[];
  /** What host-gateway stands for. */
  readonly gateways: readonly string[];
}

/** hosts(5): the step's own name is loopback's, so that it does not depend on an address. */
export function hostsOfStep({ hostname, extraHosts, gateways }: HostsOfStep): string {
  const extra = extraHosts.flatMap(({ name, address }) =>
    (address === hostGateway ? gateways : [address]).map((one) => `${one}\t${name}\n`),
  );
  return `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n${extra.join('')}`;
}

export interface ResolverOfStep {
  /** Text of the host's resolv.conf. */
  readonly hostFile: string;
  /** 'host': its loopback resolvers can be reached. 'named': the engine's own server answers. */
  readonly network: 'host' | 'named' | 'other';
  readonly dns: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
}

export function resolverOfStep({ hostFile, network, dns }: ResolverOfStep): string {
  return network === 'named'
    ? embeddedResolvConf({ hostFile, ...dns })
    : resolvConf({ hostFile, ...dns, keepLoopback: network === 'host' });
}
