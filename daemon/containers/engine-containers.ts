// The container service: hands each request to its use case. Nothing is decided here.
import type { Readable } from 'node:stream';
import type { ContainerCreateRequest, ContainerUpdateRequest } from '../docker-types/container-actions.ts';
import type { ExecConfig } from '../docker-types/exec.ts';
import type { NetworkConnectRequest, NetworkDisconnectRequest } from '../docker-types/network.ts';
import type { Filters } from '../state/filters.ts';
import { type CommitContainerNeeds, commitContainer } from './commit-container.ts';
import {
  type ContainerFilesNeeds,
  containerChanges,
  exportContainer,
  getArchive,
  putArchive,
  statPath,
} from './container-files.ts';
import type {
  AttachOptions,
  CommitOptions,
  ContainerService,
  ListOptions,
  LogsOptions,
  PutArchiveOptions,
  WaitCondition,
} from './container-service.ts';
import { type CreateContainerNeeds, createContainer } from './create/create-container.ts';
import { type EndWithHostNeeds, endWithHost } from './end-with-host.ts';
import type { ExecRegistry } from './exec/exec-registry.ts';
import {
  createExec,
  type ExecRunNeeds,
  type ExecStartOptions,
  inspectExec,
  resizeExec,
  startExec,
} from './exec/exec-run.ts';
import { type KillContainerNeeds, killContainer } from './kill-container.ts';
import type { StopOptions } from './lifecycle/end-run.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';
import type { Needs } from './needs.ts';
import { type ConnectNetworkNeeds, connectNetwork, disconnectNetwork } from './network/connect-network.ts';
import { type PauseContainerNeeds, pauseContainer, unpauseContainer } from './pause-container.ts';
import { ContainerPruner, type PruneContainersNeeds } from './prune-containers.ts';
import { type RemoveContainerNeeds, removeContainer } from './remove-container.ts';
import { type RenameContainerNeeds, renameContainer } from './rename-container.ts';
import { type ContainerStatsNeeds, containerStats } from './seen/container-stats.ts';
import { type InspectContainerNeeds, inspectContainer } from './seen/inspect-container.ts';
import { type ListContainersNeeds, listContainers } from './seen/list-containers.ts';
import { type ExplainContainerNeeds, explainContainer, explainRun } from './start/explain-container.ts';
import { restartContainer, type StopContainerNeeds, stopContainer } from './stop-container.ts';
import { type AttachContainerNeeds, attachContainer } from './streams/attach-container.ts';
import { type ContainerLogsNeeds, containerLogs } from './streams/container-logs.ts';
import { type ResizeContainerNeeds, resizeContainer } from './streams/resize-container.ts';
import { type TopContainerNeeds, topContainer } from './top-container.ts';
import { type UpdateContainerNeeds, updateContainer } from './update-container.ts';
import { type WaitContainerNeeds, waitContainer } from './wait-container.ts';

/** See needs.ts. */
export type EngineContainersNeeds = Needs<'store.all' | 'store.get'> &
  AttachContainerNeeds &
  CommitContainerNeeds &
  ConnectNetworkNeeds &
  ContainerFilesNeeds &
  ContainerLogsNeeds &
  ContainerStatsNeeds &
  CreateContainerNeeds &
  EndWithHostNeeds &
  ExecRunNeeds &
  ExplainContainerNeeds &
  InspectContainerNeeds &
  KillContainerNeeds &
  ListContainersNeeds &
  PauseContainerNeeds &
  PruneContainersNeeds &
  RemoveContainerNeeds &
  RenameContainerNeeds &
  ResizeContainerNeeds &
  StopContainerNeeds &
  TopContainerNeeds &
  UpdateContainerNeeds &
  WaitContainerNeeds;

export class EngineContainers implements ContainerService {
  readonly #services: EngineContainersNeeds;
  readonly #lifecycle: Lifecycle;
  readonly #execs: ExecRegistry;
  readonly #pruner = new ContainerPruner();

  constructor(services: EngineContainersNeeds, lifecycle: Lifecycle, execs: ExecRegistry) {
    this.#services = services;
    this.#lifecycle = lifecycle;
    this.#execs = execs;
  }

  create(body: ContainerCreateRequest, options: { name?: string; platform?: string }) {
    return createContainer(this.#services, body, options);
  }
  list(options: ListOptions) {
    return listContainers(this.#services, options);
  }
  inspect(ref: string, options: { size: boolean }) {
    return inspectContainer(this.#services, ref, options);
  }
  async start(ref: string) {
    await this.#lifecycle.start(this.#services.store.get(ref));
  }
  stop(ref: string, options: StopOptions) {
    return stopContainer(this.#services, this.#lifecycle, ref, options);
  }
  restart(ref: string, options: StopOptions) {
    return restartContainer(this.#services, this.#lifecycle, ref, options);
  }
  kill(ref: string, options: { signal?: string }) {
    return killContainer(this.#services, this.#lifecycle, ref, options);
  }
  pause(ref: string) {
    return pauseContainer(this.#services, ref);
  }
  unpause(ref: string) {
    return unpauseContainer(this.#services, ref);
  }
  rename(ref: string, name: string) {
    return renameContainer(this.#services, ref, name);
  }
  update(ref: string, body: ContainerUpdateRequest) {
    return updateContainer(this.#services, ref, body);
  }
  remove(ref: string, options: { force: boolean; volumes: boolean; link: boolean }) {
    return removeContainer(this.#services, this.#lifecycle, ref, options);
  }
  prune(filters: Filters) {
    return this.#pruner.prune(this.#services, this.#lifecycle, filters);
  }
  async wait(ref: string, condition: WaitCondition) {
    return waitContainer(this.#services, ref, condition);
  }
  async resize(ref: string, size: { height: number; width: number }) {
    resizeContainer(this.#services, ref, size);
  }
  top(ref: string, psArgs: string) {
    return topContainer(this.#services, ref, psArgs);
  }
  async stats(ref: string, options: { stream: boolean; oneShot: boolean }) {
    return containerStats(this.#services, ref, options);
  }
  async logs(ref: string, options: LogsOptions) {
    return containerLogs(this.#services, ref, options);
  }
  async attach(ref: string, options: AttachOptions) {
    return attachContainer(this.#services, ref, options);
  }
  async createExec(ref: string, body: ExecConfig) {
    return createExec(this.#services, this.#execs, ref, body);
  }
  startExec(id: string, options: ExecStartOptions) {
    return startExec(this.#services, this.#execs, id, options);
  }
  resizeExec(id: string, size: { height: number; width: number }) {
    return resizeExec(this.#execs, id, size);
  }
  async inspectExec(id: string) {
    return inspectExec(this.#execs, id);
  }
  endWithHost() {
    return endWithHost(this.#services, this.#lifecycle);
  }
  changes(ref: string) {
    return containerChanges(this.#services, ref);
  }
  export(ref: string) {
    return exportContainer(this.#services, ref);
  }
  statPath(ref: string, path: string) {
    return statPath(this.#services, ref, path);
  }
  getArchive(ref: string, path: string) {
    return getArchive(this.#services, ref, path);
  }
  putArchive(ref: string, path: string, tar: Readable, options: PutArchiveOptions) {
    return putArchive(this.#services, ref, path, tar, options);
  }
  commit(ref: string, options: CommitOptions) {
    return commitContainer(this.#services, ref, options);
  }
  usersOfImage(imageId: string) {
    return [...this.#services.store.all()]
      .filter(
        ({ record }) =>
          record.imageId === imageId ||
          record.spec.mounts.some(({ type, source }) => type === 'image' && source === imageId),
      )
      .map(({ id, record, isRunning }) => ({ id, name: record.name, isRunning, imageRef: record.spec.imageName }));
  }
  connectNetwork(ref: string, body: NetworkConnectRequest) {
    return connectNetwork(this.#services, ref, body);
  }
  disconnectNetwork(ref: string, body: NetworkDisconnectRequest) {
    return disconnectNetwork(this.#services, ref, body);
  }
  async explain(body: ContainerCreateRequest) {
    return explainRun(this.#services, body);
  }
  async explainContainer(ref: string) {
    return explainContainer(this.#services, ref);
  }
}
