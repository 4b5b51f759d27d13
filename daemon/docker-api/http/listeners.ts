// The daemon's sockets. unix://: the file gets its mode at bind time, never wider; a socket of a dead daemon is replaced, one that answers
// is not, and nothing but a socket is ever removed. tcp://: with mutual TLS only, for who reaches this API is root on the host.
import { chownSync, lstatSync, mkdirSync, readFileSync, statSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { EngineError } from '../../errors/engine-error.ts';
import { createHttpServer, type ServerHandlers } from './http-server.ts';
import { guardTcp } from './tcp-guard.ts';

export interface ListenOptions {
  /** Owner group of unix sockets; undefined leaves root's. */
  gid?: number;
  /** File paths; all three are needed for tcp. */
  tls?: { ca?: string; cert?: string; key?: string };
}

/** sun_path of Linux holds 108 bytes with the NUL. */
const unixPathBytes = 107;

export async function openListener(host: string, options: ListenOptions, handlers: ServerHandlers): Promise<Server> {
  const [, scheme, rest = ''] = /^([a-z]+):\/\/(.*)$/s.exec(host) ?? [];
  if (scheme === 'unix' && rest.startsWith('/')) return openUnix(rest, options, handlers);
  if (scheme === 'tcp') return openTcp(host, rest, options, handlers);
  throw new EngineError('invalid', `listen on "${host}": expected unix:///PATH or tcp://HOST:PORT`);
}

async function openUnix(path: string, options: ListenOptions, handlers: ServerHandlers): Promise<Server> {
  if (Buffer.byteLength(path) > unixPathBytes) {
    throw new EngineError('invalid', `listen on unix://${path}: a socket's path has at most ${unixPathBytes} bytes`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const { mode } = statSync(dirname(path));
  if ((mode & 0o1002) === 0o0002) {
    throw new EngineError('invalid', `listen on unix://${path}: everybody may replace files in ${dirname(path)}`);
  }
  await removeStale(path);
  const server = createHttpServer(handlers);
  await listening(server, `unix://${path}`, () => {
    // Node binds within listen(): no other file of this process is made under this mask.
    const before = process.umask(0o117);
    try {
      server.listen({ path, backlog: 1024 });
    } finally {
      process.umask(before);
    }
  });
  if (options.gid !== undefined) chownSync(path, 0, options.gid);
  return server;
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new EngineError('conflict', `listen on unix://${path}: something else than a socket is there`);
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    // A full backlog is a live server that is busy.
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'));
  });
  if (isAlive) throw new EngineError('conflict', `listen on unix://${path}: another daemon answers there`);
  unlinkSync(path);
}

async function openTcp(
  host: string,
  address: string,
  options: ListenOptions,
  handlers: ServerHandlers,
): Promise<Server> {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]]*)):(\d{1,5})\/?$/.exec(address) ?? [];
  if (port === undefined || Number(port) > 65535) {
    throw new EngineError('invalid', `listen on "${host}": expected tcp://HOST:PORT`);
  }
  const name = bracketed ?? plain ?? '';
  const server = createHttpServer(guardTcp(handlers, name), readTls(host, options.tls));
  await listening(server, host, () => server.listen({ host: name === '' ? '127.0.0.1' : name, port: Number(port) }));
  return server;
}

function readTls(host: string, files: ListenOptions['tls']): SecureContextOptions {
  if (files?.ca === undefined || files.cert === undefined || files.key === undefined) {
    throw new EngineError(
      'invalid',
      `listen on "${host}": whoever reaches this port is root here, so it needs client certificates: ` +
        'give --tlsverify, --tlscacert, --tlscert and --tlskey',
    );
  }
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new EngineError('invalid', `listen on "${host}"`, { cause: error });
    }
  };
  return { ca: read(files.ca), cert: read(files.cert), key: read(files.key) };
}

function listening(server: Server, host: string, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(new EngineError('system', `listen on "${host}"`, { cause }));
    server.once('error', fail);
    server.once('listening', () => {
      server.off('error', fail);
      resolve();
    });
    listen();
  });
}
