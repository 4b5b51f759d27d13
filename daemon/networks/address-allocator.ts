// Which addresses of one subnet are taken: the first free one of the range, or the one that is asked for. In memory; what is stored is
// stored by whoever holds an address, and claimed again at the daemon's start.
import { contains, type IpAddress, lastOf, type Subnet } from '../protocols/addresses/ip-address.ts';

export class AddressAllocator {
  readonly subnet: Subnet;
  readonly #first: bigint;
  readonly #last: bigint;
  readonly #taken = new Set<bigint>();
  /** No free address of the range is below it. */
  #hint: bigint;

  /** Addresses come from `range`, a part of the subnet; `reserved` are never given out. */
  constructor(subnet: Subnet, range: Subnet | undefined, reserved: readonly IpAddress[]) {
    this.subnet = subnet;
    this.#first = range?.base ?? subnet.base;
    this.#last = range === undefined ? lastOf(subnet) : lastOf(range);
    this.#hint = this.#first;
    // The network's own address, and the broadcast address: nobody can have them. The subnet-router anycast address of IPv6 likewise.
    if (lastOf(subnet) - subnet.base > 1n) {
      this.#taken.add(subnet.base);
      if (subnet.family === 4) this.#taken.add(lastOf(subnet));
    }
    for (const { value } of reserved) this.#taken.add(value);
  }

  /** undefined when none is left. */
  allocate(): IpAddress | undefined {
    for (let value = this.#hint; value <= this.#last; value++) {
      if (this.#taken.has(value)) continue;
      this.#taken.add(value);
      this.#hint = value + 1n;
      return { family: this.subnet.family, value };
    }
    this.#hint = this.#last + 1n;
    return undefined;
  }

  /** false when somebody has it. The range does not matter. */
  claim(address: IpAddress): boolean {
    if (!contains(this.subnet, address) || this.#taken.has(address.value)) return false;
    this.#taken.add(address.value);
    return true;
  }

  release(address: IpAddress): void {
    if (!this.#taken.delete(address.value)) return;
    if (address.value >= this.#first && address.value < this.#hint) this.#hint = address.value;
  }
}
