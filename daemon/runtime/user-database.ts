// Who `--user` and USER name, by /etc/passwd and /etc/group of an image. The files are the enemy's: how they are read is
// account-files.ts' part, here is what their lines mean. No libc look-up, no NSS.
import { EngineError } from '../errors/engine-error.ts';
import { type AccountFile, readAccountFile } from './account-files.ts';
import type { ResolvedUser } from './container-input.ts';

const MAX_ID = 2 ** 31 - 1;
const MAX_GROUPS = 1024;
const MAX_SPEC_BYTES = 256;

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

/**
 * `user` is `[name|uid][:[group|gid]]`; "" is uid 0, gid 0. A number is only ever a number: an image cannot make `-u 1000` mean root by
 * an entry that is named "1000". `groupAdd` are names or numbers. `pid`: see readAccountFile. Throws EngineError 'invalid' with Docker's
 * words.
 */
export function resolveUser(rootFd: number, user: string, groupAdd: readonly string[], pid?: number): ResolvedUser {
  if (Buffer.byteLength(user) > MAX_SPEC_BYTES) throw new EngineError('invalid', 'the user is too long');
  const colon = user.indexOf(':');
  const userPart = colon < 0 ? user : user.slice(0, colon);
  const groupPart = colon < 0 ? '' : user.slice(colon + 1);
  if (groupPart.includes(':')) throw new EngineError('invalid', `invalid user "${user}": expected user[:group]`);
  const passwdFile = readAccountFile(rootFd, 'etc/passwd', pid);
  const groupFile = readAccountFile(rootFd, 'etc/group', pid);
  const passwd = parsePasswd(passwdFile.text);
  const groups = parseGroups(groupFile.text);
  const groupId = (name: string) => findGroup(name, groups, groupFile);

  const wantedUid = userPart === '' ? 0 : parseId(userPart);
  const entry =
    wantedUid === undefined
      ? passwd.find(({ name }) => name === userPart)
      : passwd.find(({ uid }) => uid === wantedUid);
  if (wantedUid === undefined && entry === undefined) {
    throw new EngineError('invalid', `unable to find user ${userPart}: ${whyMissing(passwdFile, 'passwd')}`);
  }
  const uid = wantedUid ?? entry?.uid ?? 0;
  const gid = groupPart === '' ? (entry?.gid ?? 0) : groupId(groupPart);
  // Groups that list the user count unless a group was given, as with login.
  const listed =
    groupPart === '' && entry !== undefined
      ? groups.filter(({ members }) => members.includes(entry.name)).map((group) => group.gid)
      : [];
  const extra = groupAdd.map(groupId);
  const additionalGids = [...new Set([gid, ...listed, ...extra])];
  if (additionalGids.length > MAX_GROUPS) throw new EngineError('invalid', `more than ${MAX_GROUPS} groups`);
  return { uid, gid, additionalGids, home: entry?.home || '/' };
}

function findGroup(text: string, groups: readonly GroupEntry[], file: AccountFile): number {
  const id = parseId(text);
  if (id !== undefined) return id;
  const found = groups.find(({ name }) => name === text);
  if (found === undefined) {
    throw new EngineError('invalid', `unable to find group ${text}: ${whyMissing(file, 'group')}`);
  }
  return found.gid;
}

function whyMissing({ passedOver }: AccountFile, name: string): string {
  return passedOver ?? `no matching entries in ${name} file`;
}

/** undefined for what is a name. Throws for what looks like a number and is none that the kernel takes. */
function parseId(text: string): number | undefined {
  if (/^\d+$/.test(text)) {
    const id = Number(text);
    if (id > MAX_ID) throw new EngineError('invalid', 'uids and gids must be in range 0-2147483647');
    return id;
  }
  if (/^[-+]\d/.test(text)) throw new EngineError('invalid', 'uids and gids must be in range 0-2147483647');
  return undefined;
}

function fieldId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

/** Pure. Lines that are no entries are passed over, entries with impossible ids too. */
export function parsePasswd(text: string): PasswdEntry[] {
  const entries: PasswdEntry[] = [];
  for (const line of text.split('\n')) {
    const [name, , uidText, gidText, , home = ''] = line.trim().split(':');
    const [uid, gid] = [fieldId(uidText), fieldId(gidText)];
    if (name && uid !== undefined && gid !== undefined) entries.push({ name, uid, gid, home });
  }
  return entries;
}

/** Pure. */
export function parseGroups(text: string): GroupEntry[] {
  const entries: GroupEntry[] = [];
  for (const line of text.split('\n')) {
    const [name, , gidText, members = ''] = line.trim().split(':');
    const gid = fieldId(gidText);
    if (name && gid !== undefined) entries.push({ name, gid, members: members.split(',').filter(Boolean) });
  }
  return entries;
}
