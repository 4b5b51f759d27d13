// POST /containers/{id}/rename.
import { EngineError, isEngineError } from '../errors/engine-error.ts';
import { type ContainerEventsNeeds, publishContainerEvent } from './container-events.ts';
import { checkName } from './create/create-container.ts';
import type { Needs } from './needs.ts';

/** See needs.ts. */
export type RenameContainerNeeds = Needs<'networks.sandboxes.rename' | 'store.get' | 'store.rename'> &
  ContainerEventsNeeds;

export async function renameContainer(services: RenameContainerNeeds, ref: string, newName: string): Promise<void> {
  if (ref === '' || newName === '') throw new EngineError('invalid', 'Neither old nor new names may be empty');
  const container = services.store.get(ref);
  const name = allocating(() => checkName(newName));
  const oldName = container.record.name;
  if (name === oldName) {
    throw new EngineError('invalid', 'Renaming a container with the same name as its current name');
  }
  await container.locked(() => {
    if (container.isRemoved) throw new EngineError('not-found', `No such container: ${ref}`);
    allocating(() => services.store.rename(container, name));
    services.networks.sandboxes.rename(container.id, name);
  });
  publishContainerEvent(services, container, 'rename', { oldName: `/${oldName}` });
}

/** In docker's words, which say what the name was for. */
function allocating<T>(take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (!isEngineError(error)) throw error;
    throw new EngineError(error.code, `Error when allocating new name: ${error.message}`, { cause: error });
  }
}
