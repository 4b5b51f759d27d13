// `tsdocker explain`: what a run would do, or what made a container, as text. Nothing is made, nothing is opened.
import type { ContainerCreateRequest } from '../api/types/container-actions.ts';
import { EngineError } from '../errors/engine-error.ts';
import { planContainer } from './plan-container.ts';
import type { Services } from './services.ts';

export function explainRun(services: Services, body: ContainerCreateRequest): string {
  planContainer(services, body);
  throw new EngineError('not-implemented', 'explain: it is not there yet');
}

export function explainContainer(services: Services, ref: string): string {
  services.store.get(ref);
  throw new EngineError('not-implemented', 'explain: it is not there yet');
}
