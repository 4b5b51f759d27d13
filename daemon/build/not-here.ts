// In place of the builder until all of its parts are there.
import { EngineError } from '../errors/engine-error.ts';
import type { BuildService } from './build-service.ts';

const refuse = () => {
  throw new EngineError('not-implemented', 'build an image: this engine does not do that yet');
};

export const buildNotHere: BuildService = {
  build: async () => refuse(),
  receive: async () => refuse(),
  receiveChanges: async () => refuse(),
  sessionClient: () => refuse(),
  cache: { list: async () => [], prune: async () => ({ ids: [], bytes: 0 }) },
};
