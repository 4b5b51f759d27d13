// `rmi`: untagging or deleting, with Docker's rules and its words for what stands in the way. Names and rows go in one transaction: a daemon
// that is killed in the middle leaves all of them or none.
import { EngineError } from '../errors/engine-error.ts';
import { familiar, parseReference } from '../registry/reference.ts';
import type { Catalogue } from './catalogue.ts';
import { shownReference } from './image-names.ts';
import type { ImageEvent } from './image-parts.ts';
import type { RemovedPart } from './image-service.ts';
import type { ImageName } from './image-tables.ts';

interface Conflict {
  isHard: boolean;
  message: string;
}

/** What counts as standing in the way: hard ones cannot be forced. */
interface ConflictMask {
  children?: boolean;
  running?: boolean;
  references?: boolean;
  stopped?: boolean;
}

/** What went: for the client, and for those who listen to events once it is true. */
interface Removal {
  readonly records: RemovedPart[];
  readonly events: ImageEvent[];
}

const hard: ConflictMask = { children: true, running: true };
const soft: ConflictMask = { references: true, stopped: true };

export async function removeImage(
  catalogue: Catalogue,
  ref: string,
  options: { force: boolean; noPrune: boolean },
): Promise<RemovedPart[]> {
  const imageId = catalogue.idOf(ref);
  return inTransaction(catalogue, (removal) => {
    if (isIdPrefix(imageId, ref)) removeById(catalogue, imageId, removal, options);
    else removeByName(catalogue, imageId, ref, removal, options);
  });
}

/** Deletes an image without a name, and its parents that are then of no use. For pruning: quiet about conflicts. */
export function deleteUnused(catalogue: Catalogue, id: string): RemovedPart[] {
  return inTransaction(catalogue, (removal) =>
    deleteImage(catalogue, id, removal, { force: false, noPrune: false, isQuiet: true }),
  );
}

/** Layers go last, once: those of all images that went. */
function inTransaction(catalogue: Catalogue, work: (removal: Removal) => void): RemovedPart[] {
  const removal: Removal = { records: [], events: [] };
  catalogue.parts.tables.transaction(() => work(removal));
  for (const event of removal.events) catalogue.parts.onEvent(event);
  const isGone = removal.events.some(({ action }) => action === 'delete');
  if (isGone) for (const chainId of catalogue.collect()) removal.records.push({ deleted: chainId });
  return removal.records;
}

function removeByName(
  catalogue: Catalogue,
  imageId: string,
  ref: string,
  removal: Removal,
  options: { force: boolean; noPrune: boolean },
): void {
  const { tables, usersOf } = catalogue.parts;
  if (!options.force && isSingleReference(tables.namesOf(imageId))) {
    const [user] = usersOf(imageId);
    if (user !== undefined) {
      const [container, id] = [shortId(user.id), shortId(imageId)];
      throw new EngineError(
        'conflict',
        `conflict: unable to remove repository reference ${JSON.stringify(ref)} (must force) - container ${container} is using its referenced image ${id}`,
      );
    }
  }
  untag(catalogue, imageId, nameOf(ref), removal);
  dropLoneDigests(catalogue, imageId, nameOf(ref), removal);
  if (tables.namesOf(imageId).length > 0) return;
  deleteImage(catalogue, imageId, removal, { ...options, isQuiet: true });
}

function removeById(
  catalogue: Catalogue,
  imageId: string,
  removal: Removal,
  options: { force: boolean; noPrune: boolean },
): void {
  const names = catalogue.parts.tables.namesOf(imageId);
  if (isSingleReference(names)) {
    throwConflict(imageId, conflictOf(catalogue, imageId, { ...hard, ...(options.force ? {} : { stopped: true }) }));
    for (const name of names) untag(catalogue, imageId, name, removal);
  }
  deleteImage(catalogue, imageId, removal, { ...options, isQuiet: false });
}

function deleteImage(
  catalogue: Catalogue,
  id: string,
  removal: Removal,
  options: { force: boolean; noPrune: boolean; isQuiet: boolean },
): void {
  const { tables } = catalogue.parts;
  const conflict = conflictOf(catalogue, id, options.force ? hard : { ...hard, ...soft });
  if (conflict !== undefined) {
    const isNamed = tables.namesOf(id).length > 0;
    const isUsed = catalogue.parts.usersOf(id).length > 0;
    if (options.isQuiet && (isNamed || isUsed || tables.childrenOf(id).length > 0)) return;
    throwConflict(id, conflict);
  }
  const parent = tables.get(id)?.parentId;
  for (const name of tables.namesOf(id)) untag(catalogue, id, name, removal);
  tables.delete(id);
  removal.events.push({ action: 'delete', id, attributes: { name: id } });
  removal.records.push({ deleted: id });
  if (options.noPrune || parent === undefined || tables.get(parent) === undefined) return;
  deleteImage(catalogue, parent, removal, { force: false, noPrune: false, isQuiet: true });
}

function conflictOf(catalogue: Catalogue, id: string, mask: ConflictMask): Conflict | undefined {
  const { tables, usersOf } = catalogue.parts;
  if (mask.children && tables.childrenOf(id).length > 0)
    return { isHard: true, message: 'image has dependent child images' };
  const users = usersOf(id);
  const running = users.find(({ isRunning }) => isRunning);
  if (mask.running && running !== undefined) {
    return { isHard: true, message: `image is being used by running container ${shortId(running.id)}` };
  }
  if (mask.references && tables.namesOf(id).length > 0) {
    return { isHard: false, message: 'image is referenced in multiple repositories' };
  }
  const stopped = users.find(({ isRunning }) => !isRunning);
  if (mask.stopped && stopped !== undefined) {
    return { isHard: false, message: `image is being used by stopped container ${shortId(stopped.id)}` };
  }
  return undefined;
}

function throwConflict(id: string, conflict: Conflict | undefined): void {
  if (conflict === undefined) return;
  const force = conflict.isHard ? 'cannot be forced' : 'must be forced';
  throw new EngineError('conflict', `conflict: unable to delete ${shortId(id)} (${force}) - ${conflict.message}`);
}

function untag(catalogue: Catalogue, id: string, name: ImageName, removal: Removal): void {
  if (!catalogue.parts.tables.removeName(name)) return;
  const shown = familiar({ repository: name.repository, tag: name.tag, digest: name.digest });
  // Its labels now: when the event is told the image may be gone.
  removal.events.push({ action: 'untag', id, attributes: { ...catalogue.labelsOf(id), name: shown } });
  removal.records.push({ untagged: name });
}

/** When the last tag of a repository went, its digests go as well. */
function dropLoneDigests(catalogue: Catalogue, id: string, removed: ImageName, removal: Removal): void {
  if (removed.digest !== undefined) return;
  const same = catalogue.parts.tables.namesOf(id).filter(({ repository }) => repository === removed.repository);
  if (same.some(({ tag }) => tag !== undefined)) return;
  for (const name of same) untag(catalogue, id, name, removal);
}

/** All names are of one repository, and at most one is a tag. */
function isSingleReference(names: readonly ImageName[]): boolean {
  const tags = names.filter(({ tag }) => tag !== undefined);
  const repositories = new Set(names.map(({ repository }) => repository));
  return tags.length <= 1 && repositories.size <= 1;
}

function isIdPrefix(id: string, ref: string): boolean {
  const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(ref)?.[1];
  return hex !== undefined && id.startsWith(`sha256:${hex}`);
}

function nameOf(ref: string): ImageName {
  const { repository, tag, digest } = parseReference(shownReference(ref));
  return digest === undefined ? { repository, tag: tag ?? 'latest' } : { repository, digest };
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
