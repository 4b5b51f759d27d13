// Connections that the kernel tracks (ctnetlink). An address or port that is given to somebody else must not find those of the one
// before: their packets would still go where they went. Finding them means walking the kernel's whole table, which takes it some ten
// milliseconds however few there are: so it is done once for all that have gone in a while, and never while anybody waits.
import { readFileSync } from 'node:fs';
import { NETLINK } from '../../../native-bindings/sockets.ts';
import { addressBytes } from '../../protocols/addresses/address-bytes.ts';
import {
  isTracked,
  listDatagramsTo,
  listTracked,
  listTrackedFrom,
  removeTracked,
} from '../../protocols/netlink/conntrack-messages.ts';
import type { NetlinkMessage } from '../../protocols/netlink/netlink-message.ts';
import { NetlinkSocket } from './netlink-socket.ts';

const QUIET_MS = 250;
const LONGEST_WAIT_MS = 2000;
/** Above this the kernel looks for one address at a time, instead of telling us all there is. */
const MANY = 10_000;

export class TrackedConnections {
  readonly #socket = NetlinkSocket.open(NETLINK.NETFILTER);
  readonly #addresses = new Set<string>();
  readonly #ports = new Set<number>();
  #timer: NodeJS.Timeout | undefined;
  #firstAt = 0;
  #isDisposed = false;

  /** All that a container with this address began or answered is removed, soon. */
  forgetAddress(address: string): void {
    this.#addresses.add(addressBytes(address).toString('hex'));
    this.#sweepSoon();
  }

  /** Datagrams to a port of the host from before it was published, which the kernel would go on not to translate. */
  forgetDatagramsTo(port: number): void {
    this.#ports.add(port);
    this.#sweepSoon();
  }

  /** Now, all that is asked for. */
  async sweep(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const addresses = [...this.#addresses];
    const ports = new Set(this.#ports);
    this.#addresses.clear();
    this.#ports.clear();
    const count = trackedCount();
    if (count === 0 || (addresses.length === 0 && ports.size === 0)) return;
    if (count > MANY) {
      for (const address of addresses) {
        await this.#remove(listTrackedFrom(address, 'original'), () => true);
        await this.#remove(listTrackedFrom(address, 'reply'), () => true);
      }
      for (const port of ports) await this.#remove(listDatagramsTo(port), () => true);
      return;
    }
    const wanted = new Set(addresses);
    await this.#remove(listTracked(), (entry) => isTracked(entry, wanted, ports));
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    await this.sweep().catch(() => undefined);
    this.#socket[Symbol.dispose]();
  }

  #sweepSoon(): void {
    if (this.#isDisposed) return;
    if (this.#timer === undefined) this.#firstAt = performance.now();
    else if (performance.now() - this.#firstAt > LONGEST_WAIT_MS) return;
    clearTimeout(this.#timer);
    // What cannot be removed ends by its own time limit.
    this.#timer = setTimeout(() => void this.sweep().catch(() => undefined), QUIET_MS).unref();
  }

  /** One that has ended by itself meanwhile is no error. */
  async #remove(list: Buffer, isMeant: (entry: NetlinkMessage) => boolean): Promise<void> {
    const found = (await this.#socket.dump(list, 'tracked connections')).filter(isMeant);
    if (found.length > 0) await this.#socket.send(found.map(removeTracked));
  }
}

function trackedCount(): number {
  try {
    return Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_count', 'latin1'));
  } catch {
    return 0;
  }
}
