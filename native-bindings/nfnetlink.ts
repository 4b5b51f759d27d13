// nfnetlink: nftables' transactions in the calling thread's network namespace. The kernel works them off within the call, so nothing waits.
import { close } from 'node:fs';
import { syscall, trySyscall } from './libc.ts';

const AF_NETLINK = 16;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const NETLINK_NETFILTER = 12;
const NLMSG_ERROR = 2;
const HEADER_BYTES = 16;
const ANSWER_BYTES = 16 * 1024;

/**
 * Sends a batch (begin, messages, end). The result is 0 when the kernel has taken all of it, else the error number of the first message
 * that it refused, and then nothing has changed. The last message has to ask for an acknowledgement.
 */
export function commitNftables(batch: Uint8Array): number {
  const describe = () => ({ args: { bytes: batch.length }, operand: 'nftables' });
  const fd = syscall('socket', [AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, NETLINK_NETFILTER], describe);
  try {
    const kernel = Buffer.alloc(12);
    kernel.writeUInt16LE(AF_NETLINK, 0);
    syscall('sendto', [fd, batch, batch.length, 0, kernel, kernel.length], describe);
    const answers = Buffer.alloc(ANSWER_BYTES);
    let isAcknowledged = false;
    for (;;) {
      const length = trySyscall('recvfrom', fd, answers, answers.length, 0, null, null);
      if (length <= 0) break;
      for (let at = 0; at + HEADER_BYTES + 4 <= length; at += Math.max(HEADER_BYTES, answers.readUInt32LE(at))) {
        if (answers.readUInt16LE(at + 4) !== NLMSG_ERROR) continue;
        const errno = -answers.readInt32LE(at + HEADER_BYTES);
        if (errno !== 0) return errno;
        isAcknowledged = true;
      }
    }
    const EPROTO = 71;
    return isAcknowledged ? 0 : EPROTO;
  } finally {
    // After a deletion the kernel lets close(2) wait for all processors, 4 to 20 ms: another thread has the time.
    close(fd, () => {});
  }
}
