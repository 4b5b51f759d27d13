// Bridges in the kernel: made, brought to what is asked, removed. No containers and no firewall here.

import { isErrno } from '../../../native-bindings/errno.ts';
import { EngineError } from '../../errors/engine-error.ts';
import { addAddress, listAddresses, parseAddress, removeAddress } from '../../protocols/netlink/address-messages.ts';
import {
  changeLink,
  getLink,
  type Link,
  listLinks,
  newBridge,
  parseLink,
  removeLink,
} from '../../protocols/netlink/link-messages.ts';
import { prepareBridge } from './host-sysctls.ts';
import { bridgeMac, type EngineNames } from './names.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import type { BridgeRequest } from './network-kernel.ts';

/** Scope of addresses that the kernel gives an interface itself. */
const SCOPE_LINK = 253;

export class Bridges {
  readonly #socket: NetlinkSocket;
  readonly #names: EngineNames;

  constructor(socket: NetlinkSocket, names: EngineNames) {
    this.#socket = socket;
    this.#names = names;
  }

  /** Returns its index, and whether it had to be made. Throws 'conflict' when the name is somebody else's. */
  async ensure(bridge: BridgeRequest): Promise<{ index: number; isNew: boolean }> {
    const found = await this.find(bridge.name);
    if (found !== undefined) this.#checkOwner(bridge, found);
    try {
      const link = found ?? (await this.#make(bridge));
      await prepareBridge(bridge, this.#isOurs(link));
      await this.#bringAddresses(bridge, link);
      const mtu = bridge.mtu !== undefined && bridge.mtu !== link.mtu ? { mtu: bridge.mtu } : {};
      if (!link.isUp || 'mtu' in mtu) {
        await this.#socket.request([changeLink(bridge.name, { isUp: true, ...mtu })], `raise bridge ${bridge.name}`);
      }
      return { index: link.index, isNew: found === undefined };
    } catch (error) {
      if (found === undefined) await this.#socket.send([removeLink(bridge.name)]);
      throw error;
    }
  }

  /** Only one of this engine's making. */
  async remove(name: string): Promise<void> {
    const link = await this.find(name);
    if (link === undefined || !this.#isOurs(link)) return;
    await this.#removeLinks([name]);
  }

  /** Bridges of this engine that none of these is, by name. */
  async removeOthers(kept: ReadonlySet<string>): Promise<string[]> {
    const prefix = `${this.#names.aliasStart}network `;
    const others = (await this.links()).filter(
      ({ kind, alias, name }) => kind === 'bridge' && alias.startsWith(prefix) && !kept.has(name),
    );
    const names = others.map(({ name }) => name);
    await this.#removeLinks(names);
    return names;
  }

  async links(): Promise<Link[]> {
    return (await this.#socket.dump(listLinks(), 'interfaces')).map(parseLink);
  }

  async find(name: string): Promise<Link | undefined> {
    try {
      const [answer] = await this.#socket.ask(getLink(name), `interface ${name}`);
      return answer === undefined ? undefined : parseLink(answer);
    } catch (error) {
      if (isErrno(error, 'ENODEV')) return undefined;
      throw error;
    }
  }

  #isOurs({ alias }: Link): boolean {
    return alias.startsWith(this.#names.aliasStart);
  }

  #checkOwner({ name, networkId, isForeignAllowed }: BridgeRequest, link: Link): void {
    if (link.kind !== 'bridge') throw new EngineError('conflict', `interface ${name} exists and is no bridge`);
    if (link.alias === this.#names.bridgeAlias(networkId)) return;
    if (this.#isOurs(link)) {
      throw new EngineError('conflict', `bridge ${name} belongs to another network of this engine`);
    }
    if (isForeignAllowed !== true) {
      throw new EngineError(
        'conflict',
        `bridge ${name} exists and is not of this engine's making: remove it or choose another name`,
      );
    }
  }

  async #make({ name, networkId }: BridgeRequest): Promise<Link> {
    const alias = this.#names.bridgeAlias(networkId);
    await this.#socket.request(
      [newBridge(name, bridgeMac(networkId)), changeLink(name, { alias })],
      `make bridge ${name}`,
    );
    const link = await this.find(name);
    if (link === undefined) throw new EngineError('system', `make bridge ${name}: it has gone again`);
    return link;
  }

  /** Ours are all that it has; on somebody else's bridge others may stand beside them. */
  async #bringAddresses({ name, ipv4, ipv6 }: BridgeRequest, link: Link): Promise<void> {
    const asked = [ipv4, ipv6].filter((address) => address !== undefined);
    const all = (await this.#socket.dump(listAddresses(), 'addresses')).map(parseAddress);
    const present = all.filter(({ index, scope }) => index === link.index && scope !== SCOPE_LINK);
    const isSame = (a: { address: string; prefix: number }, b: { address: string; prefix: number }) =>
      a.address === b.address && a.prefix === b.prefix;
    const surplus = this.#isOurs(link) ? present.filter((address) => !asked.some((one) => isSame(one, address))) : [];
    const missing = asked.filter((address) => !present.some((one) => isSame(one, address)));
    const changes = [
      ...surplus.map(({ address, prefix }) => removeAddress(link.index, address, prefix)),
      ...missing.map(({ address, prefix }) => addAddress(link.index, address, prefix)),
    ];
    if (changes.length > 0) await this.#socket.request(changes, `give bridge ${name} its addresses`);
  }

  async #removeLinks(names: readonly string[]): Promise<void> {
    const answers = await this.#socket.send(names.map(removeLink));
    for (const [index, { errno }] of answers.entries()) {
      if (errno !== 0 && errno !== ENODEV)
        throw new EngineError('system', `remove bridge ${names[index]}: error ${errno}`);
    }
  }
}

const ENODEV = 19;
