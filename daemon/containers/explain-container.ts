// `tsdocker explain`: what a run would do, or what made a container, as text. Nothing is made, nothing is opened.
import type { ContainerCreateRequest } from '../api/types/container-actions.ts';
import { explain } from '../runtime/explain.ts';
import type { Services } from './services.ts';

export function explainRun(services: Services, body: ContainerCreateRequest): string {
  return explain(services as never, body as never);
}

export function explainContainer(services: Services, ref: string): string {
  return explain(services as never, ref as never);
}
