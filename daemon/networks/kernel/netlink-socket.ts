// A netlink socket: batches of messages out, acknowledgements back. The kernel does the work inside write(2), which may wait for locks
// that others hold (a namespace being destroyed); so writing happens in libuv's pool, and the answers, which lie ready by then, are
// read at once. The socket stays in the namespace in which it was opened.
import { close, closeSync, write } from 'node:fs';
import { promisify } from 'node:util';
import { SystemError } from '../../../native-bindings/errno.ts';
import {
  AF,
  interfaceIndex,
  MSG,
  NETLINK,
  openSocket,
  receiveBytes,
  SO,
  SOCK,
  SOL,
  sendBytes,
  setSocketOption,
} from '../../../native-bindings/sockets.ts';
import {
  type Acknowledgement,
  type NetlinkMessage,
  NLM_F,
  NLMSG,
  numberMessage,
  parseAcknowledgement,
  parseMessages,
} from '../../protocols/netlink/netlink-message.ts';

const writeAside = promisify(write);
/** Room for the acknowledgements of a large batch: without it the kernel drops them. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;
/** What one answer can be at most (NLMSG_GOODSIZE of a dump). */
const READ_BYTES = 64 * 1024;

export class NetlinkSocket implements Disposable {
  #fd: number;
  #seq = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** `protocol` is NETLINK.ROUTE or NETLINK.NETFILTER. */
  static open(protocol: number): NetlinkSocket {
    const fd = openSocket(AF.NETLINK, SOCK.RAW, protocol);
    try {
      setSocketOption(fd, SOL.SOCKET, SO.RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
      setSocketOption(fd, SOL.NETLINK, NETLINK.CAP_ACK, 1);
      setSocketOption(fd, SOL.NETLINK, NETLINK.EXT_ACK, 1);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return new NetlinkSocket(fd);
  }

  /** One write for all. Returns what the kernel said to each; none of them stops the others. Batches go one after another. */
  send(messages: readonly Buffer[]): Promise<Acknowledgement[]> {
    if (messages.length === 0) return Promise.resolve([]);
    return this.#inTurn(async () => {
      const first = this.#number(messages, NLM_F.ACK);
      await writeAside(this.#fd, Buffer.concat(messages));
      return this.#acknowledgements(first, messages.length);
    });
  }

  /** As send; throws SystemError for the first that failed. `what` names the messages in it. */
  async request(messages: readonly Buffer[], what: string): Promise<void> {
    throwFirst(await this.send(messages), what);
  }

  /** The same without waiting for others, on the calling thread: for namespaces that nobody else knows yet. */
  requestNow(messages: readonly Buffer[], what: string): void {
    const first = this.#number(messages, NLM_F.ACK);
    sendBytes(this.#fd, Buffer.concat(messages));
    throwFirst(this.#acknowledgements(first, messages.length), what);
  }

  /** All messages of a dump. One that was changed meanwhile is asked for again by nobody: callers look once more when it matters. */
  dump(message: Buffer, what: string): Promise<NetlinkMessage[]> {
    return this.#inTurn(async () => {
      const seq = this.#number([message], NLM_F.DUMP);
      await writeAside(this.#fd, message);
      return this.#readAnswers(seq, what);
    });
  }

  /** One message that has an answer of its own. Throws SystemError, ENOENT and the like included. */
  ask(message: Buffer, what: string): Promise<NetlinkMessage[]> {
    return this.#inTurn(async () => {
      const seq = this.#number([message], NLM_F.ACK);
      await writeAside(this.#fd, message);
      return this.#readAnswers(seq, what);
    });
  }

  /** Several such messages in one write; those that failed have no answer. */
  askEach(messages: readonly Buffer[]): Promise<(NetlinkMessage | undefined)[]> {
    return this.#inTurn(async () => {
      const first = this.#number(messages, NLM_F.ACK);
      await writeAside(this.#fd, Buffer.concat(messages));
      const answers = [...this.#readAll()].filter(({ type }) => type !== NLMSG.ERROR);
      return messages.map((_, index) => answers.find(({ seq }) => seq === first + index));
    });
  }

  /** Of an interface in the socket's namespace. Asked without the lock that messages wait for. Throws SystemError ENODEV. */
  indexOf(name: string): number {
    return interfaceIndex(this.#fd, name);
  }

  [Symbol.dispose](): void {
    const fd = this.#fd;
    this.#fd = -1;
    // A write in the pool still uses the number. After a deletion of rules the kernel lets close(2) wait for all processors, 4 to 20 ms:
    // the pool has the time.
    if (fd >= 0) void this.#last.then(() => close(fd, () => {}));
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #number(messages: readonly Buffer[], flags: number): number {
    const first = this.#seq + 1;
    for (const message of messages) numberMessage(message, ++this.#seq, flags);
    return first;
  }

  #acknowledgements(first: number, count: number): Acknowledgement[] {
    const found = new Array<Acknowledgement | undefined>(count).fill(undefined);
    for (const answer of this.#readAll()) {
      if (answer.type === NLMSG.ERROR && answer.seq >= first)
        found[answer.seq - first] ??= parseAcknowledgement(answer);
    }
    return found.map((answer) => answer ?? { errno: 0, text: '' });
  }

  #readAnswers(seq: number, what: string): NetlinkMessage[] {
    const answers: NetlinkMessage[] = [];
    for (const answer of this.#readAll()) {
      if (answer.seq !== seq || answer.type === NLMSG.DONE) continue;
      if (answer.type === NLMSG.ERROR) throwFirst([parseAcknowledgement(answer)], what);
      else answers.push(answer);
    }
    return answers;
  }

  /** A dump makes its next part while the last is read, so nothing is there only when it is over. */
  *#readAll(): Generator<NetlinkMessage> {
    for (;;) {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      const length = receiveBytes(this.#fd, buffer, MSG.DONTWAIT);
      if (length === undefined) return;
      yield* parseMessages(buffer.subarray(0, length));
    }
  }
}

function throwFirst(answers: readonly Acknowledgement[], what: string): void {
  const failed = answers.find(({ errno }) => errno !== 0);
  if (failed === undefined) return;
  const error = new SystemError('netlink', failed.errno, { what }, what);
  if (failed.text !== '') error.message += `: ${failed.text}`;
  throw error;
}
