// The user's standard streams connected to a container's over a hijacked connection, until the output ends or the user
// detaches.

import { Demultiplexer } from '../../daemon/protocols/streams/demultiplexer.ts';
import { DetachScanner, defaultDetachKeys, parseDetachKeys } from '../../daemon/protocols/streams/detach-keys.ts';
import type { Hijacked } from '../client/api-client.ts';
import { drained } from '../client/exchange.ts';
import type { Cli } from '../context.ts';
import { messageOf } from '../errors.ts';
import { enterRawMode } from '../terminal/raw-mode.ts';

export interface StreamOptions {
  tty: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** As the user or the configuration says; empty is the default sequence. */
  detachKeys: string;
}

export interface AttachedStreams {
  /** `ended`: the container closed its side. `detached`: the user typed the sequence. */
  done: Promise<'ended' | 'detached'>;
  /** Ends it from this side and gives the terminal back. */
  cancel(): void;
}

export function connectStreams(cli: Cli, hijacked: Hijacked, options: StreamOptions): AttachedStreams {
  const { socket } = hijacked;
  const restore = options.stdin && options.tty ? enterRawMode() : () => {};
  const output = options.stdout || options.stderr ? copyOutput(cli, hijacked, options) : undefined;
  const input = options.stdin ? copyInput(cli, hijacked, options) : endInput(hijacked);
  const done = (async () => {
    try {
      const inputEnd = input.then((end) => (end === 'detached' || !output ? end : output.then(() => 'ended' as const)));
      return await (output ? Promise.race([output.then(() => 'ended' as const), inputEnd]) : inputEnd);
    } finally {
      restore();
      if (options.stdin) process.stdin.pause();
      socket.destroy();
    }
  })();
  return {
    done,
    cancel() {
      restore();
      socket.destroy();
    },
  };
}

async function copyOutput(cli: Cli, { socket, rest }: Hijacked, options: StreamOptions): Promise<void> {
  const discard = async () => {};
  const stdout = options.stdout ? (bytes: Buffer) => cli.out.write(bytes) : discard;
  const stderr = options.stderr ? (bytes: Buffer) => cli.err.write(bytes) : discard;
  const demultiplexer = new Demultiplexer({ stdout, stderr });
  const push = options.tty ? stdout : (bytes: Buffer) => demultiplexer.push(bytes);
  try {
    if (rest.length > 0) await push(rest);
    for await (const chunk of socket) await push(chunk as Buffer);
  } catch (error) {
    // The daemon's end or our own cancelling cuts the connection; what the container's end was, the wait says.
    if (!socket.destroyed || !isConnectionEnd(error)) throw error;
  }
}

function isConnectionEnd(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ABORT_ERR';
}

async function copyInput(cli: Cli, { socket }: Hijacked, options: StreamOptions): Promise<'ended' | 'detached'> {
  const scanner = options.tty ? new DetachScanner(detachSequence(cli, options.detachKeys)) : undefined;
  try {
    for await (const chunk of process.stdin) {
      const bytes = chunk as Buffer;
      const { pass, isDetached } = scanner?.scan(bytes) ?? { pass: bytes, isDetached: false };
      if (pass.length > 0 && !socket.write(pass)) await drained(socket);
      if (isDetached) return 'detached';
    }
  } catch (error) {
    if (cli.options.debug) cli.err.line(`stdin: ${messageOf(error)}`);
  }
  socket.end();
  return 'ended';
}

async function endInput({ socket }: Hijacked): Promise<'ended'> {
  socket.end();
  return 'ended';
}

function detachSequence(cli: Cli, text: string): Buffer {
  if (text === '') return defaultDetachKeys;
  try {
    return parseDetachKeys(text);
  } catch (error) {
    cli.err.line(`invalid detach escape keys, using default: ${messageOf(error)}`);
    return defaultDetachKeys;
  }
}
