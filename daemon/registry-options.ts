// The daemon's options about registries: dockerd's, and `mirrors` for any registry. Their values are checked by the images' side.
import { Type } from '@sinclair/typebox';
import type { RegistrySideOptions } from './images/open-registry.ts';
import { integerFlag, listFlag, stringFlag } from './protocols/flags/flag.ts';

const texts = Type.Array(Type.String(), { maxItems: 256 });

/** Keys of the configuration file. */
export const registryFileOptions = {
  'registry-mirrors': Type.Optional(texts),
  /** Host[:port] of a registry -> URLs that are tried before it. */
  mirrors: Type.Optional(Type.Record(Type.String(), texts)),
  'insecure-registries': Type.Optional(texts),
  'registry-certs-dir': Type.Optional(Type.String()),
  'max-concurrent-downloads': Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
  'max-download-attempts': Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  'http-proxy': Type.Optional(Type.String()),
  'https-proxy': Type.Optional(Type.String()),
  'no-proxy': Type.Optional(Type.String()),
};

export interface RegistryFileOptions {
  'registry-mirrors'?: string[];
  mirrors?: Record<string, string[]>;
  'insecure-registries'?: string[];
  'registry-certs-dir'?: string;
  'max-concurrent-downloads'?: number;
  'max-download-attempts'?: number;
  'http-proxy'?: string;
  'https-proxy'?: string;
  'no-proxy'?: string;
}

/** Their flags, by key; `mirrors` has none. */
export const registryFlags = {
  'http-proxy': stringFlag('http-proxy', 'Proxy for http requests (default $HTTP_PROXY)'),
  'https-proxy': stringFlag('https-proxy', 'Proxy for https requests (default $HTTPS_PROXY)'),
  'insecure-registries': listFlag('insecure-registry', 'Registry (host[:port] or CIDR) without TLS'),
  'max-concurrent-downloads': integerFlag('max-concurrent-downloads', 'Downloads at once (default 3)'),
  'max-download-attempts': integerFlag('max-download-attempts', 'Attempts in a row for each download (default 5)'),
  'no-proxy': stringFlag('no-proxy', 'Hosts that are asked without proxy (default $NO_PROXY)'),
  'registry-certs-dir': stringFlag('registry-certs-dir', 'TLS files of registries (default "/etc/docker/certs.d")'),
  'registry-mirrors': listFlag('registry-mirror', 'Mirror of docker.io, tried first'),
};

export function registryOptions(options: RegistryFileOptions, env: NodeJS.ProcessEnv): RegistrySideOptions {
  const proxies: Record<string, string> = {};
  for (const name of ['http-proxy', 'https-proxy', 'no-proxy'] as const) {
    const variable = name.toUpperCase().replace('-', '_');
    const value = options[name] ?? env[variable] ?? env[variable.toLowerCase()];
    if (value) proxies[variable] = value;
  }
  return {
    mirrors: options['registry-mirrors'] ?? [],
    mirrorsOf: options.mirrors ?? {},
    insecure: options['insecure-registries'] ?? [],
    proxies,
    ...(options['registry-certs-dir'] === undefined ? {} : { certsDirectory: options['registry-certs-dir'] }),
    ...(options['max-concurrent-downloads'] === undefined
      ? {}
      : { maxConcurrentDownloads: options['max-concurrent-downloads'] }),
    ...(options['max-download-attempts'] === undefined
      ? {}
      : { maxDownloadAttempts: options['max-download-attempts'] }),
  };
}
