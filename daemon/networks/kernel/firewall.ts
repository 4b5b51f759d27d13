// The engine's nf_tables table in the kernel: keeps what should be in it, and brings every change as one transaction. Each transaction
// names the generation of the rules that the last one left, so that the kernel itself tells when somebody else has changed something
// (`nft flush ruleset`); only then is the table looked at, and put back as a whole when it is not what it should be.
//
// INVARIANT: #wanted is what the table has when the last transaction went through; a change that fails leaves both as they were.

import { isErrno } from '../../../native-bindings/errno.ts';
import { NETLINK } from '../../../native-bindings/sockets.ts';
import { attributeList, parseAttributes } from '../../protocols/netlink/netlink-message.ts';
import {
  addElements,
  deleteElements,
  deleteTable,
  getGeneration,
  getTable,
  listElements,
  listRules,
  newTable,
  parseGeneration,
  transaction,
} from '../../protocols/nftables/nft-messages.ts';
import type { SetElement } from './firewall-elements.ts';
import { ruleCount, rulesetMessages, SETS, type SetName } from './firewall-ruleset.ts';
import { NetlinkSocket } from './netlink-socket.ts';

/** Somebody else may change rules all the time; each attempt loses only against a change within its own millisecond. */
const ATTEMPTS = 20;

interface Counted {
  element: SetElement;
  /** Several ports of a container share what is about its address. */
  users: number;
}
type Wanted = Map<string, Counted>;

export interface Change {
  add?: readonly SetElement[];
  remove?: readonly SetElement[];
}

export class Firewall implements Disposable {
  readonly #socket = NetlinkSocket.open(NETLINK.NETFILTER);
  readonly #table: string;
  readonly #comment: string;
  #wanted: Wanted = new Map();
  /** undefined: nobody knows what is there. */
  #generation: number | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(table: string, comment: string) {
    this.#table = table;
    this.#comment = comment;
  }

  /** All or nothing. What is there already, or gone already, is no error. */
  apply(change: Change): Promise<void> {
    return this.#inTurn(async () => {
      const wanted = new Map(this.#wanted);
      const removed = (change.remove ?? []).filter((element) => release(wanted, element));
      const added: SetElement[] = [];
      for (const element of change.add ?? []) {
        const known = wanted.get(identity(element, false));
        const isNew = retain(wanted, element);
        // A key of a map leads to one value: the later one wins.
        const isOther = known !== undefined && identity(known.element, true) !== identity(element, true);
        if (isOther) removed.push(known.element);
        if (isNew || isOther) added.push(element);
      }
      if (removed.length > 0 || added.length > 0) {
        // The table comes with the first element and goes with the last.
        const isWhole = wanted.size === 0 || this.#wanted.size === 0;
        const changes = [...grouped(removed, deleteElements, this.#table), ...grouped(added, addElements, this.#table)];
        await this.#bring(wanted, isWhole ? this.#whole(wanted) : changes);
      }
      this.#wanted = wanted;
    });
  }

  /** Makes the table hold exactly these. Returns whether it had to be put back. */
  replace(elements: readonly SetElement[]): Promise<boolean> {
    return this.#inTurn(async () => {
      const wanted: Wanted = new Map();
      for (const element of elements) retain(wanted, element);
      this.#generation = undefined;
      const isRepaired = await this.#bring(wanted, []);
      this.#wanted = wanted;
      return isRepaired;
    });
  }

  /** Whether somebody else has changed any rule since, and whether the table had to be put back. Cheap when nobody has. */
  check(): Promise<{ isForeign: boolean; isRepaired: boolean }> {
    return this.#inTurn(async () => {
      if (this.#generation !== undefined && (await this.#readGeneration()) === this.#generation) {
        return { isForeign: false, isRepaired: false };
      }
      this.#generation = undefined;
      return { isForeign: true, isRepaired: await this.#bring(this.#wanted, []) };
    });
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  /** `messages` lead from #wanted to `wanted`. Returns whether the table was made anew instead. */
  async #bring(wanted: Wanted, messages: readonly Buffer[]): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const known = this.#generation ?? (await this.#readGeneration());
      const isKnown =
        this.#generation !== undefined || (await this.#isAsWanted(messages.length === 0 ? wanted : this.#wanted));
      const send = isKnown ? messages : this.#whole(wanted);
      try {
        if (send.length > 0) await this.#socket.request(transaction(send, known), 'change the firewall');
        this.#generation = send.length > 0 ? known + 1 : known;
        return !isKnown;
      } catch (error) {
        this.#generation = undefined;
        const isRace = isErrno(error, 'ERESTART');
        // A table that differs although nobody changed the rules since it was looked at: made anew, once.
        if (attempt >= ATTEMPTS || (!isRace && !isKnown)) throw error;
      }
    }
  }

  #whole(wanted: Wanted): Buffer[] {
    if (wanted.size === 0) return [newTable(this.#table, this.#comment), deleteTable(this.#table)];
    const elements = [...wanted.values()].map(({ element }) => element);
    return [...rulesetMessages(this.#table, this.#comment), ...grouped(elements, addElements, this.#table)];
  }

  async #readGeneration(): Promise<number> {
    const [answer] = await this.#socket.ask(getGeneration(), 'generation of the firewall');
    return answer === undefined ? 0 : parseGeneration(answer.payload);
  }

  async #isAsWanted(wanted: Wanted): Promise<boolean> {
    try {
      if (wanted.size === 0) {
        await this.#socket.ask(getTable(this.#table), 'table');
        return false;
      }
      const rules = await this.#socket.dump(listRules(this.#table), 'rules');
      if (rules.length !== ruleCount()) return false;
      const found = new Set<string>();
      for (const set of Object.keys(SETS) as SetName[]) {
        for (const id of await this.#elementsOf(set)) found.add(id);
      }
      if (found.size !== wanted.size) return false;
      for (const { element } of wanted.values()) if (!found.has(identity(element, true))) return false;
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return wanted.size === 0;
      throw error;
    }
  }

  async #elementsOf(set: SetName): Promise<string[]> {
    const answers = await this.#socket.dump(listElements(this.#table, SETS[set].name), 'elements');
    return answers.flatMap(({ payload }) => {
      const list = parseAttributes(payload.subarray(4)).get(3);
      return list === undefined ? [] : attributeList(list).map(([, bytes]) => elementIdentity(set, bytes));
    });
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function elementIdentity(set: SetName, bytes: Buffer): string {
  const attributes = parseAttributes(bytes);
  const data = (type: number) => {
    const nestedData = attributes.get(type);
    return nestedData === undefined ? undefined : parseAttributes(nestedData).get(1);
  };
  const value = data(2);
  return identity({ set, key: data(1) ?? Buffer.alloc(0), ...(value === undefined ? {} : { value }) }, true);
}

/** With its value, or as the key that the kernel allows once. */
function identity({ set, key, value }: Pick<SetElement, 'set' | 'key' | 'value'>, isWhole: boolean): string {
  return `${set} ${key.toString('hex')}${isWhole && value !== undefined ? ` ${value.toString('hex')}` : ''}`;
}

/** True when it was not there. */
function retain(wanted: Wanted, element: SetElement): boolean {
  const id = identity(element, false);
  const known = wanted.get(id);
  wanted.set(id, { element, users: element.value === undefined ? (known?.users ?? 0) + 1 : 1 });
  return known === undefined;
}

/** True when nobody needs it any more. */
function release(wanted: Wanted, element: SetElement): boolean {
  const id = identity(element, false);
  const known = wanted.get(id);
  if (known === undefined) return false;
  if (known.users > 1) {
    wanted.set(id, { element: known.element, users: known.users - 1 });
    return false;
  }
  return wanted.delete(id);
}

function grouped(
  elements: readonly SetElement[],
  make: (table: string, set: string, elements: readonly SetElement[]) => Buffer,
  table: string,
): Buffer[] {
  const bySet = Map.groupBy(elements, ({ set }) => set);
  return [...bySet].map(([set, members]) => make(table, SETS[set].name, members));
}
