// Sets of IP addresses, for what may be spoken to and what must not.
import { BlockList, isIP } from 'node:net';
import { EngineError } from '../errors/engine-error.ts';

export class AddressRanges {
  readonly #list = new BlockList();

  /** Of CIDRs: "10.0.0.0/8", "fd00::/8". Throws 'invalid'. */
  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) this.#add(cidr);
  }

  contains(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }

  #add(cidr: string): void {
    const [address = '', length = ''] = cidr.split('/');
    const family = isIP(address);
    if (family === 0 || !/^\d{1,3}$/.test(length) || Number(length) > (family === 4 ? 32 : 128)) {
      throw new EngineError('invalid', `invalid address range ${JSON.stringify(cidr)}: expected ADDRESS/BITS`);
    }
    this.#list.addSubnet(address, Number(length), family === 4 ? 'ipv4' : 'ipv6');
  }
}
