// Where the daemon listens, from a `-H` text.
import { CliError } from '../errors.ts';

export type Endpoint = { kind: 'unix'; path: string } | { kind: 'tcp'; host: string; port: number };

const defaultPorts = { plain: 2375, tls: 2376 };

export function parseEndpoint(host: string, usesTls: boolean): Endpoint {
  const fail = (why: string) => new CliError(`Failed to initialize: unable to resolve tsdocker endpoint: ${why}`);
  const separator = host.indexOf('://');
  const scheme = separator < 0 ? 'tcp' : host.slice(0, separator);
  const address = separator < 0 ? host : host.slice(separator + 3);
  if (scheme === 'unix') {
    if (address === '') throw fail(`no path in ${JSON.stringify(host)}`);
    return { kind: 'unix', path: address };
  }
  if (scheme === 'tcp') {
    const match = /^(\[[0-9a-fA-F:.%]+\]|[^:/[\]]*)(?::(\d{1,5}))?\/?$/.exec(address);
    const port = Number(match?.[2] ?? (usesTls ? defaultPorts.tls : defaultPorts.plain));
    if (!match || port > 65535) throw fail(`invalid address ${JSON.stringify(host)}`);
    return { kind: 'tcp', host: (match[1] || 'localhost').replace(/^\[|\]$/g, ''), port };
  }
  throw fail(
    scheme === 'ssh'
      ? `${host}: ssh is not there yet; forward the socket with "ssh -L" and use -H unix://…`
      : `invalid bind address format: ${host}`,
  );
}
