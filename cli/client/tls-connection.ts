// TLS to a daemon on TCP; loaded only when it is asked for.
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { CliError, messageOf } from '../errors.ts';
import type { TlsFiles } from './tls-files.ts';

export function openTls(endpoint: { host: string; port: number }, files: TlsFiles): Promise<Socket> {
  const read = (what: string, path: string, required: boolean) => {
    try {
      return readFileSync(path);
    } catch (error) {
      if (!required) return undefined;
      throw new CliError(`Failed to initialize: read TLS ${what}: ${messageOf(error)}`);
    }
  };
  const ca = read('CA certificate', files.ca, files.verify);
  const cert = read('certificate', files.cert, files.verify);
  const key = read('key', files.key, files.verify);
  return new Promise((resolve, reject) => {
    const options: ConnectionOptions = {
      host: endpoint.host,
      port: endpoint.port,
      rejectUnauthorized: files.verify,
      minVersion: 'TLSv1.2',
      ...(ca ? { ca } : {}),
      ...(cert && key ? { cert, key } : {}),
    };
    // Half-open as on a unix socket; Node's types know the option only for plain sockets.
    const socket = connect({ ...options, ...{ allowHalfOpen: true } });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      socket.off('error', reject).on('error', () => {});
      resolve(socket);
    });
  });
}
