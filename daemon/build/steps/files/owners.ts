// Who owns what is made: numbers as they are, names by the accounts of the files that it is made in.
import { EngineError } from '../../../errors/engine-error.ts';
import { resolveUser } from '../../../runtime/user-database.ts';
import type { OwnerChoice } from '../../graph/operation.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const MAX_ID = 2 ** 32 - 2;

/** Whether somebody has to be looked up. */
export function hasNames({ user, group }: OwnerChoice): boolean {
  return !isNumber(user) || !isNumber(group);
}

/** Without names. A user without a group is the number of both. Throws 'invalid' for a number that nobody can have. */
export function numbersOf({ user, group }: OwnerChoice): Owner {
  const uid = numberOf(user);
  return { uid, gid: group === '' ? uid : numberOf(group) };
}

/** With names, by the accounts of the root: a user without a group has its own. Throws 'invalid' for who is not there. */
export function ownerOf({ user, group }: OwnerChoice, rootFd: number): Owner {
  const found = isNumber(user) ? numbersOf({ user, group: '' }) : resolveUser(rootFd, user, []);
  if (group === '') return { uid: found.uid, gid: found.gid };
  return { uid: found.uid, gid: isNumber(group) ? numberOf(group) : resolveUser(rootFd, `0:${group}`, []).gid };
}

function isNumber(text: string): boolean {
  return /^\d*$/.test(text);
}

function numberOf(text: string): number {
  const id = Number(text);
  if (id > MAX_ID) throw new EngineError('invalid', `invalid owner ${text}: it is out of range`);
  return id;
}
