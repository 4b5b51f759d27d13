// One question to one resolver, over UDP or TCP. Each has a socket of its own, so that its port is as random as its number: an answer
// from elsewhere has to guess both, and the question. Sockets come from the caller: they belong to the host's or a container's namespace.
import type { Socket as UdpSocket } from 'node:dgram';
import type { Socket as TcpSocket } from 'node:net';
import { answersQuery } from '../../protocols/dns/message.ts';

export type Transport = 'udp' | 'tcp';

export const DNS_PORT = 53;
/** Wrong answers on one socket: more is an attack or a broken server, and the question is asked again with another number. */
const MAX_WRONG_ANSWERS = 64;
const LENGTH_BYTES = 2;

export interface Asked {
  bytes: Buffer;
  /** Offset behind the question. */
  questionEnd: number;
  timeoutMs: number;
}

/** The answer as it came. Rejects when there is none in time, or the server refuses to be talked to. */
export function askOverUdp(socket: UdpSocket, server: string, asked: Asked): Promise<Buffer> {
  const answer = new Promise<Buffer>((resolve, reject) => {
    let wrong = 0;
    socket.on('error', reject);
    socket.on('message', (message) => {
      if (answersQuery(asked.bytes, asked.questionEnd, message)) resolve(message);
      else if (++wrong >= MAX_WRONG_ANSWERS) reject(new Error(`ask ${server}: ${wrong} answers to other questions`));
    });
    // Connected: the kernel drops what other addresses send, and tells of a port that is closed.
    // Not as connect's own callback: that is called on errors too.
    socket.once('connect', () => socket.send(asked.bytes));
    socket.connect(DNS_PORT, server);
  });
  return within(answer, server, asked.timeoutMs, () => socket.close());
}

/** `socket` is connected or connecting. */
export function askOverTcp(socket: TcpSocket, server: string, asked: Asked): Promise<Buffer> {
  const answer = new Promise<Buffer>((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`ask ${server}: the connection ended before the answer`)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const message = firstMessage(received);
      if (message === undefined) return;
      if (answersQuery(asked.bytes, asked.questionEnd, message)) resolve(message);
      else reject(new Error(`ask ${server}: an answer to another question`));
    });
    socket.write(withLength(asked.bytes));
  });
  return within(answer, server, asked.timeoutMs, () => socket.destroy());
}

async function within(answer: Promise<Buffer>, server: string, timeoutMs: number, close: () => void): Promise<Buffer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`ask ${server}: no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
    close();
  }
}

/** Over TCP a message follows its length (RFC 1035, 4.2.2). */
export function withLength(message: Buffer): Buffer {
  const framed = Buffer.alloc(LENGTH_BYTES + message.length);
  framed.writeUInt16BE(message.length, 0);
  message.copy(framed, LENGTH_BYTES);
  return framed;
}

/** The first message of what came over TCP, when it is whole. */
export function firstMessage(received: Buffer): Buffer | undefined {
  if (received.length < LENGTH_BYTES) return undefined;
  const end = LENGTH_BYTES + received.readUInt16BE(0);
  return received.length < end ? undefined : received.subarray(LENGTH_BYTES, end);
}
